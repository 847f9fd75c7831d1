//! The port: connections are taken, served, and on the way out finished without a request lost.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use levqor_runtime::{chassis::Tasks, client::Background, lifecycle::Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::edge::Edge;

/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait where no connection can be taken, as with too many open files.
const BREATH: Duration = Duration::from_millis(50);

/// A gateway that serves. Dropped, it stops at once; drained, it finishes what it has taken.
pub struct Running {
    addr: SocketAddr,
    readiness: Readiness,
    tasks: Tasks,
    stop: DropGuard,
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
        edge: Arc<Edge>,
        readiness: Readiness,
        background: Background,
    ) -> Self {
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        tasks.spawn(accept(listener, edge, stop.clone(), tasks.clone()));
        Self { addr, readiness, tasks, stop: stop.drop_guard(), _background: StopOnDrop(background) }
    }

    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends without failing a request: says that it is not ready, waits so long for that to be noticed, takes no more
    /// connections, and returns when every request that was taken is answered.
    pub async fn drain(self, lameduck: Duration) {
        self.readiness.set_draining();
        tokio::time::sleep(lameduck).await;
        self.stop.disarm().cancel();
        self.tasks.finish().await;
    }
}

async fn accept(listener: TcpListener, edge: Arc<Edge>, stop: CancellationToken, tasks: Tasks) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        // Small answers must not wait for more to send.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let edge = Arc::clone(&edge);
        let service = tower::service_fn(move |request: http::Request<_>| {
            let edge = Arc::clone(&edge);
            async move { Ok::<_, std::convert::Infallible>(edge.serve(request.map(Body::new)).await) }
        });
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = connections.watch(connection.into_owned());
        tasks.spawn(async move {
            // Clients hang up as they please; what mattered of it was logged with the request.
            if let Err(error) = connection.await {
                tracing::debug!(error = &*error, "a connection broke off");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "cannot take a connection");
    tokio::time::sleep(BREATH).await;
}
