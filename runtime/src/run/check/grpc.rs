//! Checks the gRPC health of a service, by each of its names.

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    check::{Check, Finding},
    client::Channels,
    health::names,
};

/// Checks the service of this name, over these channels.
#[must_use]
pub fn health(channels: &Channels, service: &str) -> Check {
    let (channel, service) = (channels.get(service), service.to_owned());
    Check::new(format!("{service}.grpc"), "grpc.health.v1.Health/Check", async move {
        let Some(channel) = channel else { return Finding::failed("no address is set") };
        let mut client = HealthClient::new(channel);
        let names = names(&service);
        for name in &names {
            let shown = if name.is_empty() { "the whole" } else { name };
            match client.check(HealthCheckRequest { service: name.clone() }).await {
                Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {}
                Ok(answer) => {
                    return Finding::failed(format!("{shown}: {}", answer.get_ref().status().as_str_name()));
                }
                Err(status) => {
                    return Finding::failed(format!("{shown}: no answer ({:?})", status.code()));
                }
            }
        }
        Finding::on(format!("SERVING, by all of its {} names", names.len()))
    })
}
