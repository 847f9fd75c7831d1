//! `levqor health <role>`: asks the process of a role on this machine whether it is ready. It is the health check of a container.

use std::{collections::HashMap, time::Duration};

use anyhow::{anyhow, ensure};
use levqor_runtime::{
    check::{self, Outcome, clock},
    client::{Address, Channels, local_http_client, unverified_http_client},
    config::Env,
    run,
    tasks::Background,
};

use crate::{cli::Role, mesh, output, services::AnyService};

/// The longest wait for the answer. The health checks of docker-compose.yml wait for two seconds more.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Prints the answer if the role is ready, and fails if it is not.
pub(crate) async fn health(env: &Env, role: Role) -> anyhow::Result<()> {
    match role {
        Role::Service(of) => service(env, of).await,
        Role::Gateway => gateway(env).await,
    }
}

/// Asks a service by `grpc.health.v1`, by each of its names.
async fn service(env: &Env, of: &dyn AnyService) -> anyhow::Result<()> {
    let (_, config) = mesh::read(env, |reader| of.read(reader))?;
    let address = Address::Fixed(run::reachable(config.listen()));
    let background = Background::default();
    let addresses = HashMap::from([(of.name().to_owned(), vec![address])]);
    let channels = Channels::secured(&addresses, &background, config.tls().as_read().as_ref());
    let lines = check::run(vec![run::check::health(&channels, of.name()).within(TIMEOUT)]).await;
    background.stop();
    for line in lines {
        ensure!(line.finding.outcome == Outcome::On, "{} is not ready: {}", of.name(), line.finding.evidence);
        output::lines(&format!("{}: {}", of.name(), line.finding.evidence))?;
    }
    Ok(())
}

/// Asks the gateway for its readiness.
async fn gateway(env: &Env) -> anyhow::Result<()> {
    let (_, config) = mesh::read(env, levqor_gateway::Config::read)?;
    let address = run::reachable(config.http_addr);
    // The certificate has the gateway's name for other processes. This check is not about the certificate.
    let (http, scheme) = if config.tls.is_on() {
        (unverified_http_client()?, "https")
    } else {
        (local_http_client()?, "http")
    };
    let url = format!("{scheme}://{address}/health/ready");
    let answer = http.get(url).timeout(TIMEOUT).send().await;
    let status =
        answer.map_err(|error| anyhow!("the gateway is not ready: {}", clock::words(&error)))?.status();
    ensure!(status.is_success(), "the gateway is not ready: {status} to GET /health/ready");
    output::lines(&format!("gateway: {status} to GET /health/ready"))
}
