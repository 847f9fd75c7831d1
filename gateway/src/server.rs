//! The port: connections are taken, served, and on the way out finished without a request lost.

mod requests;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use levqor_runtime::{chassis::Tasks, client::Background, lifecycle::Readiness, metrics::Metrics};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{
    io::InspectReader,
    sync::{CancellationToken, DropGuard},
};

use self::requests::{Answer, Requests};
use crate::{edge::Edge, peer::TrustedProxies};

/// How long a drain waits for answers to be read.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);
/// How often a silent HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long, on the way out, a client that has connected is given to ask.
const FIRST_REQUEST_PATIENCE: Duration = Duration::from_secs(1);
/// How long, on the way out, a connection may stay that was told to close and has nothing left to answer: a client that is
/// well has closed it by then, or asked again what it had begun to ask.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait where no connection can be taken, as with too many open files.
const BREATH: Duration = Duration::from_millis(50);

/// How long a connection may take to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the head of a request, from its first byte on.
    pub(crate) head: Duration,
    /// For the first byte of the next request. Who sends it just as the connection is closed gets no answer, and may not
    /// know whether to ask again: clients, and load balancers, must be the first to close.
    pub(crate) idle: Duration,
}

/// What stands behind the port.
pub(crate) struct Door {
    /// Answers requests.
    pub(crate) edge: Edge,
    /// Whose word about a caller's address is believed.
    pub(crate) proxies: TrustedProxies,
    /// How long a connection may take to ask.
    pub(crate) patience: Patience,
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
        door: Arc<Door>,
        readiness: Readiness,
        background: Background,
        metrics: Metrics,
    ) -> Self {
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        tasks.spawn(accept(listener, door, stop.clone(), tasks.clone()));
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
        self.readiness.set_draining();
        tokio::time::sleep(lameduck).await;
        self.stop.disarm().cancel();
        // A client that does not read its answer must not keep the process alive.
        if timeout(DRAIN_PATIENCE, self.tasks.finish()).await.is_err() {
            tracing::warn!("connections whose clients do not read were cut off");
        }
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, stop: CancellationToken, tasks: Tasks) {
    let serve =
        |stream, from: SocketAddr| tasks.spawn(serve(stream, from.ip(), Arc::clone(&door), stop.clone()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => drop(serve(stream, from)),
                Err(error) => refused(&error).await,
            },
            () = stop.cancelled() => break,
        }
    }
    // Who has connected by now is served: closing the port would reset those that still wait behind it.
    match listener.into_std() {
        Ok(listener) => {
            while let Ok((stream, from)) = listener.accept() {
                match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    Ok(stream) => drop(serve(stream, from)),
                    Err(error) => refused(&error).await,
                }
            }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot serve the last connections");
        }
    }
}

async fn serve(stream: TcpStream, from: IpAddr, door: Arc<Door>, stop: CancellationToken) {
    let patience = door.patience;
    // Small answers must not wait for more to send.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot set TCP_NODELAY");
    }
    let requests = Requests::default();
    let (asked, heard) = (requests.clone(), requests.clone());
    let service = tower::service_fn(move |request: http::Request<_>| {
        let (door, open) = (Arc::clone(&door), asked.begin(request.version()));
        async move {
            let mut request = request.map(Body::new);
            let caller = door.proxies.caller(from, request.headers());
            request.extensions_mut().insert(caller);
            let answer = door.edge.serve(request).await;
            Ok::<_, Infallible>(answer.map(|body| Answer { body, _open: open }))
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(patience.idle);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE);
    let stream = InspectReader::new(stream, move |bytes: &[u8]| heard.hear(bytes));
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let leave = async {
        stop.cancelled().await;
        // A client that has just connected is about to ask; one that has asked before was told to close.
        let _ = timeout(FIRST_REQUEST_PATIENCE, requests.begun()).await;
    };
    // hyper's own patience begins with the first byte; a client that sends none would stay for ever. And it is one for the
    // rest between two requests and for the head of the second.
    let silent = async {
        if timeout(patience.idle, requests.begun()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        // The connection first: what has come in time is taken, however late we look.
        biased;
        ended = connection.as_mut() => ended,
        () = silent => return,
        () = requests.late_head(patience.head) => return,
        () = leave => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                // HTTP/2 waits for the client's word, HTTP/1.1 for the rest of a head.
                () = requests.idle_for(GOODBYE_PATIENCE) => return,
            }
        }
    };
    // Clients hang up as they please; what mattered of it was logged with the request.
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "a connection broke off");
    }
}

async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(error = error as &dyn std::error::Error, "cannot take a connection");
    tokio::time::sleep(BREATH).await;
}
