//! The services and the gateway of `levqor up`, as far as they were started.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::Context;
use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    clock::Clock,
    db::migrations,
    metrics::{Exposition, Metrics},
    run::{self, ServiceConfig},
    service::Service,
};
use tokio::net::TcpListener;

use super::{Config, database::Databases, listen::Ports};

/// What is shown of the process itself, and where all metrics are shown.
pub(super) struct Scrape {
    /// The port; none where metrics are not shown.
    pub(super) port: Option<TcpListener>,
    /// The process' own.
    pub(super) process: Metrics,
}

impl Scrape {
    /// Where the port is.
    pub(super) fn addr(&self) -> Option<SocketAddr> {
        self.port.as_ref()?.local_addr().ok()
    }
}

type Drain = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The mesh, as far as it runs: a start that is given up half way leaves something to drain.
#[derive(Default)]
pub(super) struct Mesh {
    gateway: Option<levqor_gateway::Running>,
    services: Vec<Drain>,
    metrics: Option<Exposition>,
}

impl Mesh {
    /// Starts the services one after the other, and then the gateway.
    pub(super) async fn start(
        &mut self,
        config: Config,
        http: TcpListener,
        scrape: Scrape,
        ports: &mut Ports,
        databases: &Databases,
    ) -> anyhow::Result<()> {
        let mut gateway = config.gateway;
        gateway.addresses = ports.peers();
        let billing = self.start_service::<Billing>(config.billing, ports, databases).await?;
        let notifications =
            self.start_service::<Notifications>(config.notifications, ports, databases).await?;
        let gateway = levqor_gateway::start_on(http, gateway, levqor_gateway::methods(), Clock::default())?;
        let shown = vec![scrape.process, billing, notifications, gateway.metrics().clone()];
        self.gateway = Some(gateway);
        self.metrics = scrape.port.map(|port| Exposition::start(port, shown)).transpose()?;
        Ok(())
    }

    async fn start_service<S: Service>(
        &mut self,
        mut config: ServiceConfig<S>,
        ports: &mut Ports,
        databases: &Databases,
    ) -> anyhow::Result<Metrics> {
        config.database_url = databases.of(S::NAME).await?;
        config.addresses = ports.peers();
        let migrated = migrations::migrate(&config.database_url, S::migrator()).await;
        migrated.with_context(|| format!("cannot migrate the database of {}", S::NAME))?;
        let running = run::start_on(ports.take(S::NAME)?, config).await?;
        let metrics = running.chassis().metrics.clone();
        let readiness = running.readiness.clone();
        // From here on a signal finds it, and drains it.
        self.services.push(Box::pin(running.drain()));
        while !readiness.measured().is_some_and(|measured| measured.is_sound()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(metrics)
    }

    /// The door first, then the services: no request finds a service gone.
    pub(super) async fn drain(self) {
        if let Some(gateway) = self.gateway {
            gateway.drain(Duration::ZERO).await;
        }
        for service in self.services {
            service.await;
        }
        drop(self.metrics);
    }
}
