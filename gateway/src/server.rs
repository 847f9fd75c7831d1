//! The gateway's port, and its drain, which loses no request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use levqor_runtime::{
    lifecycle::Readiness,
    metrics::Metrics,
    port::{self, Arrival, Handler, Limits},
    run::drain,
    tasks::{Background, Tasks},
    tls::Acceptor,
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{peer::TrustedProxies, pipeline::Pipeline};

/// How long a drain waits until clients have read their responses.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// Answers the requests of the port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GatewayHandler {
    /// The steps that every request passes.
    pub(crate) pipeline: Arc<Pipeline>,
    /// The proxies that the gateway trusts to name a caller's address.
    pub(crate) proxies: Arc<TrustedProxies>,
    /// Takes the TLS handshakes. `None`: plain HTTP.
    pub(crate) acceptor: Option<Acceptor>,
}

impl Handler for GatewayHandler {
    fn counted_by(&self, from: IpAddr) -> Option<IpAddr> {
        self.proxies.counted_by(from)
    }

    fn acceptor(&self) -> Option<&Acceptor> {
        self.acceptor.as_ref()
    }

    fn answer(
        &self,
        mut request: Request<Body>,
        arrival: Arrival,
    ) -> impl Future<Output = Response> + Send + use<> {
        let pipeline = Arc::clone(&self.pipeline);
        let caller = self.proxies.caller(arrival.from, request.headers());
        request.extensions_mut().insert(caller);
        async move { pipeline.serve(request, arrival.reserved).await }
    }
}

/// A running gateway. If it is dropped, it accepts no more connections. `drain` also waits until the accepted requests are
/// finished.
pub struct Running {
    addr: SocketAddr,
    readiness: Readiness,
    tasks: Tasks,
    stop: DropGuard,
    metrics: Metrics,
    _background: StopOnDrop,
}

/// Ends the lookups of the services' addresses.
struct StopOnDrop(Background);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Running {
    /// Serves on this port.
    pub(crate) fn new(
        listener: TcpListener,
        addr: SocketAddr,
        limits: Limits,
        handler: GatewayHandler,
        readiness: Readiness,
        background: Background,
        metrics: Metrics,
    ) -> Self {
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        tasks.spawn(port::serve(listener, limits, handler, stop.clone()));
        Self { addr, readiness, tasks, stop: stop.drop_guard(), metrics, _background: StopOnDrop(background) }
    }

    /// The address of its port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Stops without failing a request: reports that it is not ready, waits for the time `lameduck`, accepts no more connections,
    /// and returns when every accepted request is answered.
    pub async fn drain(self, lameduck: Duration) {
        drain::announce(&self.readiness, lameduck, async {}).await;
        self.stop.disarm().cancel();
        // A client that does not read its response must not keep the process alive.
        drain::finish("connections", DRAIN_PATIENCE, self.tasks.finish()).await;
    }
}
