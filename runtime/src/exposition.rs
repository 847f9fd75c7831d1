//! The port that Prometheus scrapes. It is separate and never public, since the metrics show business numbers.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{HeaderMap, header};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    config::{Reader, Setting},
    metrics::{Format, Metrics, render},
    server,
    tasks::Tasks,
};

const METRICS_ADDR: Setting = Setting::plain(
    "LEVQOR_METRICS_ADDR",
    None,
    "Where Prometheus finds this process' metrics, at /metrics: an IP address and a port, never a public one. Off where it is not set.",
);

/// The address of the metrics port.
#[derive(Debug, Clone, Copy)]
pub struct MetricsConfig {
    addr: Option<SocketAddr>,
}

impl MetricsConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![METRICS_ADDR]
    }

    /// Reads the settings. Returns none only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let addr = reader.optional(&METRICS_ADDR, "an IP address and a port such as 127.0.0.1:9464");
        Some(Self { addr })
    }

    /// The address. `None` if the metrics are off.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.addr
    }

    /// Binds the port, if the metrics are on, so that a busy port is found before anything else opens.
    pub async fn bind(self) -> Result<Option<TcpListener>, BindError> {
        let Some(addr) = self.addr else { return Ok(None) };
        TcpListener::bind(addr).await.map(Some).map_err(|source| BindError { addr, source })
    }
}

/// The port is in use, or not permitted.
#[derive(Debug, thiserror::Error)]
#[error("LEVQOR_METRICS_ADDR: cannot listen on {addr}; is another program using the port?")]
pub struct BindError {
    addr: SocketAddr,
    #[source]
    source: io::Error,
}

/// A running metrics port. Dropping it closes the port.
pub struct Exposition {
    addr: SocketAddr,
    _stop: DropGuard,
}

impl Exposition {
    /// Serves these metrics on a port that is already bound.
    pub fn start(listener: TcpListener, metrics: Vec<Metrics>) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let stop = CancellationToken::new();
        let app = Router::new().route("/metrics", get(scrape)).with_state(Arc::new(metrics));
        Tasks::default().spawn(server::serve(listener, app, stop.clone()));
        tracing::info!(%addr, "metrics are served at /metrics");
        Ok(Self { addr, _stop: stop.drop_guard() })
    }

    /// The address of the port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

async fn scrape(State(metrics): State<Arc<Vec<Metrics>>>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    ([(header::CONTENT_TYPE, format.content_type())], render(&metrics, format))
}
