//! The gateway's port, and the way out on which no request is lost.

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
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{peer::TrustedProxies, pipeline::Pipeline};

/// How long a drain waits for answers to be read.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// Answers the requests of the port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GatewayHandler {
    /// What every request passes.
    pub(crate) pipeline: Arc<Pipeline>,
    /// Whose word about a caller's address is believed.
    pub(crate) proxies: Arc<TrustedProxies>,
}

impl Handler for GatewayHandler {
    fn counted_by(&self, from: IpAddr) -> Option<IpAddr> {
        self.proxies.counted_by(from)
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

/// A gateway that serves. Dropped, it takes no more; drained, it finishes what it has taken, and says when.
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

    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it counts and times.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Ends without failing a request: says that it is not ready, waits so long for that to be noticed, takes no more
    /// connections, and returns when every request that was taken is answered.
    pub async fn drain(self, lameduck: Duration) {
        drain::announce(&self.readiness, lameduck, async {}).await;
        self.stop.disarm().cancel();
        // A client that does not read its answer must not keep the process alive.
        drain::finish("connections", DRAIN_PATIENCE, self.tasks.finish()).await;
    }
}
