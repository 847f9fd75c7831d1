//! The time limits of a port for its clients.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use levqor_runtime::{
    port::{self, Arrival, Handler, Limits},
    tasks::Tasks,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// The preface, default settings, and `GET /` by names of the static table.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HTTP_2_GET: &[u8] = b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84";

/// Answers with one byte after a signal.
#[derive(Clone)]
struct Late(Arc<Notify>);

impl Handler for Late {
    fn answer(&self, _: Request<Body>, _: Arrival) -> impl Future<Output = Response> + Send + use<> {
        let signal = Arc::clone(&self.0);
        let body = stream::once(async move {
            signal.notified().await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"!"))
        });
        async move { Response::new(Body::from_stream(body)) }
    }
}

/// Reads until the bytes contain `wanted`.
async fn until_holds(stream: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.windows(wanted.len()).any(|window| window == wanted) {
        let read = timeout(SOON, stream.read_buf(&mut bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("it is late: {bytes:?}")).expect("a connection");
        assert!(read > 0, "it was closed: {bytes:?}");
    }
    bytes
}

/// Starts a port with these limits. Returns its address, and the signal that lets it answer.
async fn start(limits: Limits) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (addr, signal) = (listener.local_addr().expect("an address"), Arc::new(Notify::new()));
    Tasks::default().spawn(port::serve(
        listener,
        limits,
        Late(Arc::clone(&signal)),
        CancellationToken::new(),
    ));
    (addr, signal)
}

async fn connect(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// The bytes until the end of the connection, if it ends in time.
async fn until_closed(stream: &mut TcpStream, limit: Duration) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // A closed and a reset connection have both ended.
    timeout(limit, stream.read_to_end(&mut bytes)).await.ok().map(|_| bytes)
}

#[tokio::test]
async fn an_open_stream_outlives_the_age_of_its_connection_if_no_farewell_time_is_set() {
    let limits = Limits { age: SHORT, idle: 2 * SHORT, farewell: None, ..Limits::internal() };
    let (addr, signal) = start(limits).await;
    for bytes in [GET.to_vec(), [HTTP_2, HTTP_2_GET].concat()] {
        let mut stream = connect(addr, &bytes).await;
        assert!(until_closed(&mut stream, 5 * SHORT).await.is_none(), "it was cut off");
        signal.notify_one();
        let end = until_closed(&mut stream, SOON).await.expect("it is closed after its answer");
        assert!(end.contains(&b'!'), "{end:?}");
    }
}

#[tokio::test]
async fn a_connection_that_reaches_its_age_limit_loses_no_request() {
    const END: &[u8] = b"\r\n0\r\n\r\n";
    const CLOSE: &[u8] = b"connection: close";
    let (addr, signal) = start(Limits { age: SHORT, ..Limits::internal() }).await;
    let mut stream = connect(addr, b"").await;
    assert!(
        until_closed(&mut stream, 3 * SHORT).await.is_none(),
        "it was closed while a request may be on its way"
    );
    for _ in 0..20 {
        stream.write_all(GET).await.expect("sent");
        signal.notify_one();
        let answer = until_holds(&mut stream, END).await;
        if answer.windows(CLOSE.len()).any(|window| window == CLOSE) {
            assert_eq!(
                until_closed(&mut stream, SOON).await,
                Some(Vec::new()),
                "it is closed after its answer"
            );
            stream = connect(addr, b"").await;
        }
        assert!(
            until_closed(&mut stream, SHORT / 2).await.is_none(),
            "it was closed without `Connection: close`"
        );
    }
}

#[tokio::test]
async fn a_stream_whose_answer_is_not_read_is_reset_and_other_streams_of_its_connection_continue() {
    // Streams start with a window of zero bytes.
    const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01";
    let get = |stream: u8| [b"\0\0\x03\x01\x05\0\0\0", &[stream][..], b"\x82\x86\x84"].concat();
    let (addr, signal) = start(Limits { unread: 3 * SHORT, ..Limits::internal() }).await;
    let mut stream = connect(addr, &[&HTTP_2[..24], SETTINGS, &get(1)].concat()).await;
    until_holds(&mut stream, b"\x01\x04\0\0\0\x01").await;
    signal.notify_one();
    // Opens the third stream's window, so that the client waits for us.
    let window = b"\0\0\x04\x08\0\0\0\0\x03\0\0\x10\0";
    stream.write_all(&[&get(3)[..], window].concat()).await.expect("sent");
    let before = until_holds(&mut stream, RESET).await;
    assert!(before.windows(9).all(|window| window != b"\0\0\x04\x03\0\0\0\0\x03"), "{before:?}");
    assert!(until_closed(&mut stream, 5 * SHORT).await.is_none(), "other requests were closed");
    signal.notify_one();
    until_holds(&mut stream, b"\0\0\x01\0\0\0\0\0\x03!").await;
}

#[tokio::test]
async fn an_open_stream_is_closed_after_the_farewell_time() {
    let limits = Limits { age: SHORT, farewell: Some(SHORT), ..Limits::internal() };
    let (addr, _signal) = start(limits).await;
    for bytes in [GET.to_vec(), [HTTP_2, HTTP_2_GET].concat()] {
        assert!(until_closed(&mut connect(addr, &bytes).await, SOON).await.is_some());
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_us_does_not_count_as_unread() {
    let (addr, signal) = start(Limits { unread: SHORT, idle: SHORT, ..Limits::internal() }).await;
    for bytes in [GET.to_vec(), [HTTP_2, HTTP_2_GET].concat()] {
        let mut stream = connect(addr, &bytes).await;
        assert!(until_closed(&mut stream, 6 * SHORT).await.is_none(), "it was cut off");
        signal.notify_one();
        assert!(until_closed(&mut stream, SOON).await.expect("then it is idle").contains(&b'!'));
    }
}

#[tokio::test]
async fn clients_that_send_too_little_are_disconnected() {
    let (addr, _signal) = start(Limits { head: SHORT, idle: SHORT, ..Limits::internal() }).await;
    for bytes in [&b""[..], b"GET", &GET[..20], &HTTP_2[..20], HTTP_2, &[HTTP_2, &HTTP_2_GET[..10]].concat()]
    {
        assert!(until_closed(&mut connect(addr, bytes).await, SOON).await.is_some(), "{bytes:?}");
    }
}
