//! One connection, from start to end.

use std::{convert::Infallible, pin::pin, time::Duration};

use axum::body::Body;
use http::{HeaderValue, header::CONNECTION};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    time::{sleep, sleep_until, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken};

use super::{
    Arrival, Handler, Limits, MOST_HEAD_BYTES,
    requests::{Close, Requests, ResponseBody},
    stream::Watched,
    streams::Streams,
    table::Entry,
};

/// How often a silent HTTP/2 connection is pinged.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// On shutdown: the time limit for the first request of a new connection, and for its TLS handshake.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// On shutdown: how long a connection without requests stays open after the signal to close. A healthy client closes it earlier.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes of an unread answer that an HTTP/2 stream buffers.
const MOST_UNSENT: usize = 64 << 10;
/// Longer than any process runs.
const NO_LIMIT: Duration = Duration::from_hours(24 * 365);
/// A reserved connection serves one health check.
const RESERVED: Duration = Duration::from_secs(5);

pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    mut arrival: Arrival,
    limits: Limits,
    handler: H,
    entry: Entry,
    stop: CancellationToken,
) {
    // Small answers must not wait for more data.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot set TCP_NODELAY");
    }
    let limits = if arrival.reserved {
        let idle = limits.idle.min(RESERVED);
        Limits { idle, head: limits.head.min(RESERVED), age: RESERVED, farewell: Some(RESERVED), ..limits }
    } else {
        limits
    };
    let Some(stream) = secured(stream, &mut arrival, &limits, &handler, &entry, &stop).await else { return };
    let requests = entry.requests.clone();
    let begun = requests.clone();
    let service = service_fn(move |request: http::Request<_>| {
        let open = begun.begin();
        let answer = handler.answer(request.map(Body::new), arrival.clone());
        async move {
            let mut answer = answer.await;
            if open.is_last(limits.age) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(ResponseBody::of(answer, open))
        }
    });
    let server = builder(&limits, &requests);
    let stream = Watched::new(stream, requests.clone(), limits.unread);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let leave = async {
        stop.cancelled().await;
        // A new client is about to send a request. A client that has sent one gets the signal to close.
        let _ = timeout(FIRST_REQUEST_TIMEOUT, requests.begun()).await;
    };
    let ended = tokio::select! {
        // Polls the connection first: a request that arrived in time is served, however late this task runs.
        biased;
        ended = connection.as_mut() => ended,
        () = entry.given_up() => return,
        gracefully = must_close(&requests, &limits) => {
            if !gracefully {
                return;
            }
            connection.as_mut().graceful_shutdown();
            farewell(connection, &requests, &limits).await
        }
        () = leave => {
            connection.as_mut().graceful_shutdown();
            farewell(connection, &requests, &Limits { farewell: None, ..limits }).await
        }
    };
    // Clients may disconnect at any time. The request's own log line holds the important part.
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "a connection ended with an error");
    }
}

/// The boxed stream is large, and most connections of a mesh on one machine have none.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The stream of a connection, after its TLS handshake where the port has one. `None`: the connection ends.
async fn secured<H: Handler>(
    stream: TcpStream,
    arrival: &mut Arrival,
    limits: &Limits,
    handler: &H,
    entry: &Entry,
    stop: &CancellationToken,
) -> Option<Stream> {
    let Some(acceptor) = handler.acceptor() else { return Some(Either::Left(stream)) };
    // Boxed, because its future is large and ends soon.
    let handshake = Box::pin(acceptor.accept(stream, limits.head));
    let leave = async {
        stop.cancelled().await;
        sleep(FIRST_REQUEST_TIMEOUT).await;
    };
    let (stream, peer) = tokio::select! {
        biased;
        accepted = handshake => accepted?,
        // A silent client must make room for other clients.
        () = entry.given_up() => return None,
        () = leave => return None,
    };
    arrival.peer = peer;
    Some(Either::Right(stream))
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Waits for the end of a connection after the signal to close.
async fn farewell(connection: impl Future<Output = Ended>, requests: &Requests, limits: &Limits) -> Ended {
    let farewell_is_over = async {
        match limits.farewell {
            Some(farewell) => sleep(farewell).await,
            None => std::future::pending().await,
        }
    };
    // The connection is closing, so only the limits for closing apply.
    let limits = Limits { age: NO_LIMIT, idle: NO_LIMIT, ..*limits };
    tokio::select! {
        biased;
        ended = connection => ended,
        // HTTP/2 waits until the client closes, and HTTP/1.1 for the end of an incomplete head.
        () = requests.idle_for(GOODBYE_TIMEOUT) => Ok(()),
        () = farewell_is_over => Ok(()),
        _ = must_close(requests, &limits) => Ok(()),
    }
}

/// Waits until the connection must be closed. Returns whether gracefully.
async fn must_close(requests: &Requests, limits: &Limits) -> bool {
    loop {
        match requests.close(limits) {
            Close::NotBefore(instant) => sleep_until(instant).await,
            Close::Gracefully => return true,
            Close::AtOnce => return false,
        }
    }
}

fn builder(limits: &Limits, requests: &Requests) -> auto::Builder<Streams> {
    let mut server = auto::Builder::new(Streams::new(requests.clone(), limits.unread));
    let most = u32::try_from(MOST_HEAD_BYTES).unwrap_or(u32::MAX);
    // Our own code limits the time of a head and of idle connections.
    server.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MOST_HEAD_BYTES);
    let mut http2 = server.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE);
    http2.max_header_list_size(most).max_concurrent_streams(limits.streams).max_send_buf_size(MOST_UNSENT);
    if let Some((connection, stream)) = limits.windows {
        http2.initial_connection_window_size(connection).initial_stream_window_size(stream);
    }
    server
}
