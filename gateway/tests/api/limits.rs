//! What heads, bodies and connections may take up, and how long their clients may keep us waiting.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use levqor_runtime::{context::Role, testing::eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    harness::{Mesh, mesh, mesh_with, send, token},
    upstream::Reply,
};

const SOON: Duration = Duration::from_secs(10);
/// For how long a body is not slow, in some tests.
const PROMPT: Duration = Duration::from_millis(10);
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
const ITEM: &[u8] = b"GET /shop/v1/items/i1 HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF_POST: &[u8] =
    b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"note\"";
/// The head of a body that is too large, and only the first byte of that body.
const LARGE_POST: &[u8] =
    b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n{";
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn connect(mesh: &Mesh, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// A connection from another address of this machine.
async fn connect_from_elsewhere(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    connect_from(2, to, bytes).await
}

async fn connect_from(from: u8, to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).expect("an address");
    let mut stream = socket.connect(to).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// Everything that the gateway sends until it closes the connection. It must close it soon.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // The connection is over, whether it is closed or reset.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut line = [0; 12];
    timeout(SOON, stream.read_exact(&mut line)).await.expect("in time").expect("an answer");
    String::from_utf8_lossy(&line[9..]).parse().expect("a status")
}

/// Waits until a body that was begun before counts as slow: so the order in which two of them become slow is known.
async fn until_slow() {
    let begun = Instant::now();
    eventually("the body is slow", || async { (begun.elapsed() > 20 * PROMPT).then_some(()) }).await;
}

/// Whether the connection is refused with 503 in time.
async fn is_refused(stream: &mut TcpStream) -> bool {
    let mut line = [0; 12];
    let read = timeout(Duration::from_secs(2), stream.read_exact(&mut line)).await;
    matches!(read, Ok(Ok(_))) && line.ends_with(b"503")
}

#[tokio::test]
async fn a_head_of_more_than_16_kib_is_431() {
    let mesh = mesh().await;
    for size in [17 << 10, 60 << 10, 400 << 10] {
        let filler = "a".repeat(size);
        for head in [
            format!("GET /health/live HTTP/1.1\r\nhost: a\r\nx: {filler}\r\n\r\n"),
            format!("GET /health/live?{filler} HTTP/1.1\r\nhost: a\r\n\r\n"),
            format!("GET /health/live HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: abcdef\r\n".repeat(size / 11)),
            // The end of this head is never sent.
            format!("GET /health/live HTTP/1.1\r\nhost: a\r\nx: {filler}"),
        ] {
            let mut stream = TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
            // The gateway does not read the head to its end, so sending it may fail.
            let _ = stream.write_all(head.as_bytes()).await;
            assert_eq!(status(&mut stream).await, 431, "{size} {:?}", &head[..60]);
        }
    }
    let filler = "a".repeat(15 << 10);
    let head = format!("GET /health/live HTTP/1.1\r\nhost: a\r\nx: {filler}\r\n\r\n");
    assert_eq!(status(&mut connect(&mesh, head.as_bytes()).await).await, 200);
}

#[tokio::test]
async fn in_http_2_a_head_of_more_than_16_kib_is_431_too() {
    let mesh = mesh().await;
    let channel = tonic::transport::Endpoint::from_shared(mesh.url.clone()).expect("a URL");
    let mut channel = channel.connect().await.expect("an HTTP/2 connection");
    for (size, status) in [(15 << 10, 200), (17 << 10, 431), (60 << 10, 431), (1 << 10, 200)] {
        let request = http::Request::get(format!("{}/health/live", mesh.url)).header("x", "a".repeat(size));
        tower::ServiceExt::ready(&mut channel).await.expect("ready");
        let request = request.body(tonic::body::Body::empty()).expect("a request");
        let answer = tower::Service::call(&mut channel, request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{size}");
    }
}

#[tokio::test]
async fn each_header_that_is_passed_on_has_its_own_limit() {
    let mesh = mesh().await;
    let get = |name: &'static str, value: String| {
        send(mesh.request(Method::GET, "/shop/v1/items/i1").header(name, value))
    };
    for (name, most) in [("accept-language", 256), ("tracestate", 512)] {
        assert_eq!(get(name, format!("a=b,{}", "c".repeat(most))).await.status, StatusCode::OK);
        let call = mesh.upstream.calls("GetItem").pop().expect("a call");
        assert!(!call.metadata.contains_key(name), "{name}");
    }
    assert_eq!(get("accept-language", "de-DE, de;q=0.8".to_owned()).await.status, StatusCode::OK);
    let call = mesh.upstream.calls("GetItem").pop().expect("a call");
    assert_eq!(call.metadata.get("accept-language").expect("it goes on"), "de-DE, de;q=0.8");
    let calls = mesh.upstream.calls("GetItem").len();
    let bearer = format!("Bearer {}", token(Role::Customer));
    let answer = get("authorization", bearer + &"a".repeat(8 << 10)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (431, &"HEAD_TOO_LARGE".into()));
    assert_eq!(mesh.upstream.calls("GetItem").len(), calls);
}

#[tokio::test]
async fn requests_whose_bodies_do_not_arrive_take_no_permit_from_others() {
    let mesh = mesh_with(|config| config.max_concurrent_requests = 1).await;
    let mut half = Vec::new();
    for _ in 0..3 {
        half.push(connect(&mesh, HALF_POST).await);
    }
    for _ in 0..3 {
        assert_eq!(mesh.get("/shop/v1/items/i1").await.status, StatusCode::OK);
    }
    for mut stream in half {
        stream.write_all(b": \"n\"}").await.expect("sent");
        assert_eq!(status(&mut stream).await, 200);
    }
}

#[tokio::test]
async fn a_body_that_arrives_too_slowly_is_refused_before_the_deadline() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = Duration::from_millis(10);
        config.bodies.grace = Duration::from_millis(50);
        config.request_timeout = Duration::from_mins(1);
    })
    .await;
    let mut slow = connect(&mesh, HALF_POST).await;
    assert_eq!(status(&mut slow).await, 408);
}

#[tokio::test]
async fn slow_bodies_of_one_address_have_a_share_and_others_are_not_kept_out() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = PROMPT;
        config.bodies.slow = 4;
        config.bodies.grace = Duration::from_mins(1);
    })
    .await;
    let addr = mesh.gateway.addr();
    // One of four for each address.
    let mut first = connect_from_elsewhere(addr, HALF_POST).await;
    until_slow().await;
    let refused = eventually("a second slow body of the address is refused", || async {
        let mut second = connect_from_elsewhere(addr, HALF_POST).await;
        is_refused(&mut second).await.then_some(())
    });
    refused.await;
    let mut other = connect(&mesh, HALF_POST).await;
    assert!(timeout(Duration::from_millis(200), other.read_u8()).await.is_err(), "it was refused");
    for stream in [&mut first, &mut other] {
        stream.write_all(b": \"n\"}").await.expect("sent");
        assert_eq!(status(stream).await, 200);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_its_end() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = PROMPT;
        config.bodies.slow = 4;
        config.bodies.grace = Duration::from_mins(1);
        config.request_timeout = Duration::from_mins(1);
    })
    .await;
    let addr = mesh.gateway.addr();
    assert_eq!(status(&mut connect_from_elsewhere(addr, LARGE_POST).await).await, 413);
    let chunked = b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n200000\r\n";
    let bytes = [&chunked[..], &vec![b' '; (1 << 20) + 1]].concat();
    assert_eq!(status(&mut connect_from_elsewhere(addr, &bytes).await).await, 413);
    // The gateway waits for the end of a body only if its address has no more than its share of slow bodies: here, one.
    let _slow = connect_from_elsewhere(addr, HALF_POST).await;
    until_slow().await;
    eventually("a second slow body of the address is refused", || async {
        let mut second = connect_from_elsewhere(addr, HALF_POST).await;
        is_refused(&mut second).await.then_some(())
    })
    .await;
    // Otherwise each takes a second.
    eventually("a body that is too large is refused without waiting", || async {
        let mut large = connect_from_elsewhere(addr, LARGE_POST).await;
        (timeout(Duration::from_millis(900), status(&mut large)).await == Ok(413)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_fast_start_does_not_allow_a_long_pause_in_a_body() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = Duration::from_millis(10);
        config.bodies.grace = Duration::from_millis(50);
        config.request_timeout = Duration::from_mins(1);
    })
    .await;
    let post = b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    let bytes = [&post[..], &vec![b' '; 500_000]].concat();
    assert_eq!(status(&mut connect(&mesh, &bytes).await).await, 408);
}

#[tokio::test]
async fn bodies_use_at_most_the_memory_limit_and_one_address_a_quarter_of_it() {
    let mesh = mesh_with(|config| config.bodies.bytes = 8 << 20).await;
    let addr = mesh.gateway.addr();
    let post = b"POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    let bytes = [&post[..], &vec![b' '; 999_000]].concat();
    // Two bodies have room. Which two of three come first is not known.
    let mut held = Vec::new();
    while held.len() < 9 {
        let mut next = connect_from_elsewhere(addr, &bytes).await;
        if is_refused(&mut next).await {
            break;
        }
        held.push(next);
    }
    assert!(held.len() < 9, "all found room");
    let large = format!("{{}}{}", " ".repeat(999_000));
    assert_eq!(mesh.post("/shop/v1/orders", &large).await.status, StatusCode::OK);
    drop(held);
    let whole = [&post[..], b"{}", &vec![b' '; 999_998]].concat();
    eventually("the room is given back", || async {
        let mut next = connect_from_elsewhere(addr, &whole).await;
        (status(&mut next).await == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_address_has_a_share_of_the_connections_and_others_are_served() {
    let mesh = mesh_with(|config| config.connections.connections_per_address = 4).await;
    let addr = mesh.gateway.addr();
    let mut many = Vec::new();
    for _ in 0..4 {
        many.push(connect_from_elsewhere(addr, HALF_POST).await);
    }
    eventually("a fifth connection of the address is refused", || async {
        let mut fifth = connect_from_elsewhere(addr, ITEM).await;
        is_refused(&mut fifth).await.then_some(())
    })
    .await;
    assert_eq!(status(&mut connect(&mesh, LIVE).await).await, 200);
}

#[tokio::test]
async fn if_all_connections_are_idle_the_oldest_is_closed_for_a_new_one() {
    let mesh = mesh_with(|config| config.connections.connections = 4).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(connect_from_elsewhere(mesh.gateway.addr(), b"").await);
        idle.push(connect(&mesh, b"").await);
    }
    eventually("a new connection is served", || async {
        let mut new = connect(&mesh, LIVE).await;
        let mut one = [0];
        matches!(timeout(SOON, new.read(&mut one)).await, Ok(Ok(1))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn if_all_connections_are_busy_health_checks_are_answered() {
    let mesh = mesh_with(|config| config.connections.connections = 4).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(connect_from_elsewhere(mesh.gateway.addr(), HALF_POST).await);
        busy.push(connect(&mesh, HALF_POST).await);
    }
    eventually("only its health is told", || async {
        let mut other = connect_from(3, mesh.gateway.addr(), ITEM).await;
        is_refused(&mut other).await.then_some(())
    })
    .await;
    let mut health = connect_from(4, mesh.gateway.addr(), LIVE).await;
    assert!(until_closed(&mut health).await.starts_with("HTTP/1.1 200 "));
    drop(busy);
}

#[tokio::test]
async fn an_http_2_connection_without_requests_is_closed_whatever_it_sends() {
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mesh = mesh_with(|config| config.idle_timeout = Duration::from_millis(100)).await;
    let stream = connect(&mesh, HTTP_2).await;
    let ended = eventually("it is closed", || {
        // The test reads nothing, so the gateway's answers may fill the sockets' buffers. It waits until the connection is reset.
        let sent = stream.try_write(PING);
        async move { sent.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock).then_some(()) }
    });
    timeout(SOON, ended).await.expect("it is closed soon");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_disconnected() {
    let mesh = mesh_with(|config| config.connections.unread = Duration::from_millis(200)).await;
    // HTTP/2 with a window of 0: the answer's body cannot be sent.
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    // GET / with the static table: :method GET, :scheme http, :path /.
    let head = b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84";
    let mut stream = connect(&mesh, &[&settings[..], head].concat()).await;
    until_closed(&mut stream).await;
    // HTTP/1.1: an answer that is larger than the sockets' buffers.
    let data = "eHh4".repeat(6 << 20);
    mesh.upstream.reply(
        "GetPage",
        [Reply::Messages(vec![serde_json::json!({"contentType": "text/plain", "data": data})])],
    );
    let stream = connect(&mesh, b"GET /shop/v1/pages/p1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    eventually("it is reset", || async {
        let gone = stream.try_write(b"\r\n").is_err();
        gone.then_some(())
    })
    .await;
}

/// The bytes of an HTTP/2 connection with this many requests for an item. `window` limits how much of an answer may be sent
/// before it is read.
fn http_2_items(requests: u32, window: u8) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0".to_vec();
    bytes.push(window);
    for n in 0..requests {
        bytes.extend(b"\0\0\x18\x01\x05");
        bytes.extend((2 * n + 1).to_be_bytes());
        // :method GET, :scheme http, :path, :authority a.
        bytes.extend(b"\x82\x86\x04\x11/shop/v1/items/i1\x01\x01a");
    }
    bytes
}

#[tokio::test]
async fn answers_that_are_not_read_hold_permits_and_one_address_has_half_of_them() {
    let mesh = mesh_with(|config| config.max_concurrent_requests = 8).await;
    let addr = mesh.gateway.addr();
    // The window allows nothing to be sent, or one byte. For one byte, the connection takes the whole body from the gateway.
    for window in [0, 1] {
        let unread = connect_from_elsewhere(addr, &http_2_items(9, window)).await;
        // Also after the services have answered them.
        eventually("the address has no permit left, and gets none", || async {
            for _ in 0..20 {
                let mut more = connect_from_elsewhere(addr, ITEM).await;
                if !is_refused(&mut more).await {
                    return None;
                }
            }
            Some(())
        })
        .await;
        assert_eq!(status(&mut connect(&mesh, ITEM).await).await, 200, "others are served");
        assert_eq!(status(&mut connect_from_elsewhere(addr, LIVE).await).await, 200);
        drop(unread);
        eventually("the permits are given back", || async {
            (status(&mut connect_from_elsewhere(addr, ITEM).await).await == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_is_old_enough_is_closed_and_its_request_is_answered() {
    let mesh = mesh_with(|config| config.connections.age = Duration::from_millis(500)).await;
    let gate = std::sync::Arc::new(crate::upstream::Gate::default());
    mesh.upstream.reply("GetItem", [Reply::Gate(gate.clone())]);
    let mut stream = connect(&mesh, ITEM).await;
    gate.entered.notified().await;
    assert!(timeout(Duration::from_millis(1500), stream.read_u8()).await.is_err());
    gate.opened.notify_one();
    assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 200 "));
}
