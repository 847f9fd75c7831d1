//! `grpc.health.v1` for the service as a whole, and for each gRPC service that it hosts, by name.

use levqor_proto_runtime::v1::{
    digest_service_server, guard_service_server, status_service_server, work_service_server,
};
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::{HealthReporter, HealthService},
};

use crate::access::{self, Host};

/// Reports the same state for every name, since all use the same database.
#[derive(Clone)]
pub(crate) struct Healths {
    reporter: HealthReporter,
    names: Vec<String>,
}

impl Healths {
    /// Creates the health of this service. Unlike tonic's default, it reports nothing before the first measurement.
    pub(crate) async fn new(service: &str) -> Self {
        let healths = Self { reporter: HealthReporter::new(), names: names(service) };
        healths.report(false).await;
        healths
    }

    /// The gRPC service that answers.
    pub(crate) fn server(&self) -> HealthServer<impl Health> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Reports whether the service accepts calls.
    pub(crate) async fn report(&self, ready: bool) {
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Ends the watch streams.
    pub(crate) async fn clear(&mut self) {
        for name in &self.names {
            self.reporter.clear_service_status(name).await;
        }
    }
}

/// The empty name, which means the whole service, and the names of the gRPC services.
pub(crate) fn names(service: &str) -> Vec<String> {
    let every = [
        digest_service_server::SERVICE_NAME,
        guard_service_server::SERVICE_NAME,
        status_service_server::SERVICE_NAME,
        work_service_server::SERVICE_NAME,
    ];
    let mut names: Vec<_> = [""].into_iter().chain(every).map(str::to_owned).collect();
    for method in access::methods().iter() {
        let name = method.descriptor.parent_service().full_name().to_owned();
        if method.host == Host::Service(service.to_owned()) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grpc_service_of_a_service_has_a_name() {
        let names = names("billing");
        assert_eq!(names.first().map(String::as_str), Some(""), "the service as a whole");
        for hosted in ["DigestService", "GuardService", "StatusService", "WorkService"] {
            assert!(names.contains(&format!("levqor.runtime.v1.{hosted}")), "{names:?}");
        }
        for own in [
            "BillingService",
            "OrderService",
            "CheckoutService",
            "SubscriptionService",
            "RefundService",
            "WithdrawalService",
        ] {
            assert!(names.contains(&format!("levqor.billing.v1.{own}")), "{names:?}");
        }
    }
}
