//! The services and the gateway of `levqor up`, as far as they have started.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::Context;
use levqor_runtime::{
    clock::Clock, db::migrations, exposition::Exposition, lifecycle::Readiness, metrics::Metrics,
};
use tokio::net::TcpListener;

use super::{Config, database::Databases, listen::Ports};
use crate::services::{AnyConfig, Started};

/// The metrics of the process itself, and the port of the metrics endpoint.
pub(super) struct Scrape {
    /// The port. None if metrics are off.
    pub(super) port: Option<TcpListener>,
    /// The metrics of the process.
    pub(super) process: Metrics,
}

impl Scrape {
    /// The address of the port.
    pub(super) fn addr(&self) -> Option<SocketAddr> {
        self.port.as_ref()?.local_addr().ok()
    }
}

type Drain = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The running part of the mesh. If the start fails before it is done, this part must be drained.
#[derive(Default)]
pub(super) struct Mesh {
    gateway: Option<levqor_gateway::Running>,
    services: Vec<Drain>,
    metrics: Option<Exposition>,
}

impl Mesh {
    /// Starts the services one by one, waits until all are ready, and starts the gateway then. A service reads the ledger of erasures from
    /// another before it is ready.
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
        let (mut shown, mut started) = (vec![scrape.process], Vec::new());
        for service in config.services {
            let (metrics, readiness) = self.start_service(service, ports, databases).await?;
            shown.push(metrics);
            started.push(readiness);
        }
        for readiness in started {
            while !readiness.is_sound() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let gateway = levqor_gateway::start_on(http, gateway, levqor_gateway::methods(), Clock::default())?;
        shown.push(gateway.metrics().clone());
        self.gateway = Some(gateway);
        self.metrics = scrape.port.map(|port| Exposition::start(port, shown)).transpose()?;
        Ok(())
    }

    async fn start_service(
        &mut self,
        mut config: Box<dyn AnyConfig>,
        ports: &mut Ports,
        databases: &Databases,
    ) -> anyhow::Result<(Metrics, Readiness)> {
        let name = config.name();
        config.place(databases.of(name).await?, ports.peers());
        let migrated = migrations::migrate(config.database_url(), config.migrator()).await;
        migrated.with_context(|| format!("cannot migrate the database of {name}"))?;
        let Started { readiness, metrics, drain } = config.start(Some(ports.take(name)?)).await?;
        // From here on, a signal drains this service too.
        self.services.push(drain);
        Ok((metrics, readiness))
    }

    /// Drains the gateway first and then the services, so that no request finds a service stopped.
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
