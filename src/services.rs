//! The only list of the services of the mesh in the program. The commands and the tests of the mesh use it. A test compares it with
//! the protos. Only a harness that starts each service by its type, or as a process, has an order of its own.

use std::{fmt, marker::PhantomData, net::SocketAddr, pin::Pin};

use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_notifications::Notifications;
use levqor_runtime::{
    check::Check,
    client::Addresses,
    config::{Reader, Setting},
    db::DatabaseUrl,
    lifecycle::Readiness,
    metrics::Metrics,
    run::{self, ServiceConfig, StartError},
    service::Service,
    tls::MeshTls,
    version,
};
#[cfg(test)]
use levqor_runtime::{fail_point::FailPoint, metrics::Definition, telemetry::Fields};
use levqor_support::Support;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;

/// Every service.
pub(crate) static ALL: &[&dyn AnyService] = &[
    &Of::<Billing>(PhantomData),
    &Of::<Compliance>(PhantomData),
    &Of::<Notifications>(PhantomData),
    &Of::<Support>(PhantomData),
];

/// Finds a service by name.
pub(crate) fn find(name: &str) -> Option<&'static dyn AnyService> {
    ALL.iter().copied().find(|service| service.name() == name)
}

/// A boxed future, because each service has its own type.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service of any type.
pub(crate) trait AnyService: fmt::Debug + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The fingerprint of its protos.
    fn protocol(&self) -> String;
    /// Every setting that it reads.
    fn settings(&self) -> Vec<Setting>;
    /// Reads its configuration. None only with a problem noted.
    fn read(&self, reader: &mut Reader<'_>) -> Option<Box<dyn AnyConfig>>;
    /// Its migrations.
    fn migrator(&self) -> &'static Migrator;
    /// The metrics that it registers.
    #[cfg(test)]
    fn metrics(&self) -> &'static [Definition];
    /// The fields of its events and spans that may leave the process.
    #[cfg(test)]
    fn fields(&self) -> Fields;
    /// The points where a test can kill it.
    #[cfg(test)]
    fn fail_points(&self) -> &'static [FailPoint];
}

/// The configuration of a service of any type.
pub(crate) trait AnyConfig: Send {
    /// The service's name.
    fn name(&self) -> &'static str;
    /// Its migrations.
    fn migrator(&self) -> &'static Migrator;
    /// Its database.
    fn database_url(&self) -> &DatabaseUrl;
    /// Where it listens.
    fn listen(&self) -> SocketAddr;
    /// Where it finds the other services.
    fn addresses(&self) -> &Addresses;
    /// How it proves its name to them.
    fn tls(&self) -> &MeshTls;
    /// Sets its database and the addresses of the other services.
    fn place(&mut self, database_url: DatabaseUrl, addresses: Addresses);
    /// Sets its metrics.
    fn count_with(&mut self, metrics: Metrics);
    /// The checks of `levqor doctor` for its database at this address.
    fn database_checks(&self, url: &DatabaseUrl) -> Vec<Check>;
    /// The checks of `levqor doctor` for everything else that its settings name.
    fn checks(&self, database: Option<&DatabaseUrl>) -> Vec<Check>;
    /// Starts it on this port, or on the port from its settings.
    fn start(self: Box<Self>, port: Option<TcpListener>) -> Boxed<Result<Started, StartError>>;
}

/// A running service.
pub(crate) struct Started {
    /// Its readiness.
    pub(crate) readiness: Readiness,
    /// Its metrics.
    pub(crate) metrics: Metrics,
    /// Stops it without failing a call.
    pub(crate) drain: Boxed<()>,
}

/// Implements `AnyService` for a service type.
struct Of<S>(PhantomData<fn() -> S>);

impl<S: Service> fmt::Debug for Of<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(S::NAME)
    }
}

impl<S: Service> AnyService for Of<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn protocol(&self) -> String {
        version::protocol(S::DESCRIPTORS)
    }
    fn settings(&self) -> Vec<Setting> {
        ServiceConfig::<S>::settings()
    }
    fn read(&self, reader: &mut Reader<'_>) -> Option<Box<dyn AnyConfig>> {
        Some(Box::new(ServiceConfig::<S>::read(reader)?))
    }
    fn migrator(&self) -> &'static Migrator {
        S::migrator()
    }
    #[cfg(test)]
    fn metrics(&self) -> &'static [Definition] {
        S::METRICS
    }
    #[cfg(test)]
    fn fields(&self) -> Fields {
        S::FIELDS
    }
    #[cfg(test)]
    fn fail_points(&self) -> &'static [FailPoint] {
        S::FAIL_POINTS
    }
}

impl<S: Service> AnyConfig for ServiceConfig<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn migrator(&self) -> &'static Migrator {
        S::migrator()
    }
    fn database_url(&self) -> &DatabaseUrl {
        &self.database_url
    }
    fn listen(&self) -> SocketAddr {
        self.listen
    }
    fn addresses(&self) -> &Addresses {
        &self.addresses
    }
    fn tls(&self) -> &MeshTls {
        &self.tls
    }
    fn place(&mut self, database_url: DatabaseUrl, addresses: Addresses) {
        (self.database_url, self.addresses) = (database_url, addresses);
    }
    fn count_with(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }
    fn database_checks(&self, url: &DatabaseUrl) -> Vec<Check> {
        run::check::database(self, url)
    }
    fn checks(&self, database: Option<&DatabaseUrl>) -> Vec<Check> {
        S::checks(&self.own, database)
    }
    fn start(self: Box<Self>, port: Option<TcpListener>) -> Boxed<Result<Started, StartError>> {
        Box::pin(async {
            let running = match port {
                Some(port) => run::start_on(port, *self).await?,
                None => run::start(*self).await?,
            };
            let (readiness, metrics) = (running.readiness.clone(), running.chassis().metrics.clone());
            Ok(Started { readiness, metrics, drain: Box::pin(running.drain()) })
        })
    }
}
