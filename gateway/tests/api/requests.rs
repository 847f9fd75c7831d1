//! Requests over raw connections and HTTP/2: their limits of size and time, and the headers of every answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use levqor_runtime::testing::eventually;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    harness::{mesh, mesh_with, send},
    upstream::{Gate, Reply},
};

const MIB: usize = 1 << 20;

fn order_of(bytes: usize) -> String {
    let frame = r#"{"note":""}"#;
    format!(r#"{{"note":"{}"}}"#, "n".repeat(bytes - frame.len()))
}

#[tokio::test]
async fn a_body_may_have_one_mebibyte_and_no_more() {
    let mesh = mesh().await;
    assert_eq!(mesh.post("/shop/v1/orders", &order_of(MIB)).await.status, StatusCode::OK);
    let answer = mesh.post("/shop/v1/orders", &order_of(MIB + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["reason"], "BODY_TOO_LARGE");
    assert_eq!(mesh.upstream.calls("CreateOrder").len(), 1);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_counted_too() {
    let mesh = mesh().await;
    let chunked = |body: String| {
        let chunks: Vec<_> = body
            .as_bytes()
            .chunks(64 << 10)
            .map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c)))
            .collect();
        let request =
            mesh.request(Method::POST, "/shop/v1/orders").header("content-type", "application/json");
        send(request.body(reqwest::Body::wrap_stream(stream::iter(chunks))))
    };
    assert_eq!(chunked(order_of(MIB)).await.status, StatusCode::OK);
    assert_eq!(chunked(order_of(MIB + 1)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(mesh.upstream.calls("CreateOrder").len(), 1);
}

#[tokio::test]
async fn a_request_ends_when_its_time_is_over() {
    // Long enough for the call to reach the service on a busy machine, over a connection that is open.
    let mesh = mesh_with(|config| config.request_timeout = Duration::from_secs(1)).await;
    mesh.get("/shop/v1/items/i0").await;
    mesh.upstream.reply("GetItem", [Reply::Silence]);
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.json()["code"], "DEADLINE_EXCEEDED");
    let call = mesh.upstream.calls("GetItem").pop().expect("a call");
    let timeout = call.metadata.get("grpc-timeout").expect("a timeout").to_str().expect("text");
    let (count, unit) = timeout.split_at(timeout.len() - 1);
    let nanos: u64 = count.parse().expect("a number");
    let unit = match unit {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        other => panic!("{other}"),
    };
    assert!(nanos * unit <= 1_000_000_000, "{timeout}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_the_callers_fault() {
    let mesh = mesh_with(|config| config.request_timeout = Duration::from_millis(100)).await;
    let endless = stream::pending::<Result<Bytes, std::io::Error>>();
    let request = mesh.request(Method::POST, "/shop/v1/orders").header("content-type", "application/json");
    let answer = send(request.body(reqwest::Body::wrap_stream(endless))).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.json()["reason"], "BODY_TOO_SLOW");
}

#[tokio::test]
async fn a_request_beyond_the_concurrent_ones_is_refused_at_once() {
    let mesh = mesh_with(|config| config.max_concurrent_requests = 1).await;
    let gate = std::sync::Arc::new(Gate::default());
    mesh.upstream.reply("GetItem", [Reply::Gate(gate.clone())]);
    let first = async { mesh.get("/shop/v1/items/i1").await.status };
    let second = async {
        gate.entered.notified().await;
        let refused = mesh.get("/shop/v1/items/i2").await;
        let live = mesh.get("/health/live").await.status;
        gate.opened.notify_one();
        (refused, live)
    };
    let (first, (refused, live)) = tokio::join!(first, second);
    assert_eq!((first, live), (StatusCode::OK, StatusCode::OK));
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(refused.json()["reason"], "BUSY");
    assert_eq!(mesh.get("/shop/v1/items/i3").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let mesh = mesh().await;
    mesh.upstream.reply_json("GetPage", json!({"contentType": "text/html", "data": ""}));
    for path in [
        "/shop/v1/items/i1",
        "/shop/v1/pages/p1",
        "/nothing",
        "/health/live",
        "/v1/status",
        "/webhooks/stripe",
    ] {
        let answer = mesh.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
}

const REQUEST: &str = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";

/// Makes a request over a connection that stays open.
async fn ask(stream: &mut tokio::net::TcpStream) {
    stream.write_all(REQUEST.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    while !answer.ends_with('}') {
        answer.push(stream.read_u8().await.expect("an answer").into());
    }
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let mesh = mesh_with(|config| config.head_timeout = Duration::from_millis(50)).await;
    let mut stream = tokio::net::TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
    for _ in 0..3 {
        // On a closed connection, the read would end at once.
        let rest = timeout(Duration::from_millis(200), stream.read_u8()).await;
        assert!(rest.is_err(), "it was closed: {rest:?}");
        ask(&mut stream).await;
    }
}

#[tokio::test]
async fn an_incomplete_head_closes_the_connection() {
    let mesh = mesh_with(|config| config.head_timeout = Duration::from_millis(50)).await;
    let (begun, _) = REQUEST.split_at(20);
    // Much less than the time after which an idle connection is closed.
    let soon = Duration::from_secs(20);
    assert_eq!(timeout(soon, raw(&mesh, begun)).await.expect("it is closed"), "");
    let mut stream = tokio::net::TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
    ask(&mut stream).await;
    stream.write_all(begun.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(soon, stream.read_to_string(&mut answer)).await.expect("it is closed").expect("an end");
    assert_eq!(answer, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mesh = mesh_with(|config| config.idle_timeout = Duration::from_millis(500)).await;
    assert_eq!(raw(&mesh, "").await, "");
    let answer = raw(&mesh, REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Sends bytes, and reads the answer until the connection closes.
async fn raw(mesh: &crate::harness::Mesh, bytes: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn strange_requests_are_answered_like_any_other() {
    let mesh = mesh().await;
    for (first_line, status) in [
        ("OPTIONS * HTTP/1.1", "404"),
        ("CONNECT levqor.ai:443 HTTP/1.1", "404"),
        ("GET http://levqor.ai/shop/v1/items/i1 HTTP/1.1", "200"),
        ("GET /shop/v1/items/i1 HTTP/1.0", "200"),
        ("GET //shop/v1/items/i1 HTTP/1.1", "404"),
        ("GET /../shop/v1/items/i1 HTTP/1.1", "404"),
        ("GET /shop/v1/items/i1? HTTP/1.1", "200"),
        ("G\u{e9}T / HTTP/1.1", "400"),
    ] {
        let answer = raw(&mesh, &format!("{first_line}\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        let (_, got) = answer.split_once(' ').expect("a status line");
        assert!(got.starts_with(status), "{first_line}: {answer}");
    }
    let no_host = raw(&mesh, "GET /health/live HTTP/1.0\r\n\r\n").await;
    assert!(no_host.contains(" 200 "), "{no_host}");
}

#[tokio::test]
async fn a_client_that_begins_with_http_2_is_answered_in_http_2() {
    // Between two requests, a client sends frames that are not the head of a request.
    const HEAD: Duration = Duration::from_millis(200);
    let mesh = mesh_with(|config| config.head_timeout = HEAD).await;
    let endpoint = tonic::transport::Endpoint::from_shared(mesh.url.clone()).expect("a URL");
    let endpoint = endpoint.http2_keep_alive_interval(Duration::from_millis(10)).keep_alive_while_idle(true);
    let (addr, connections) = (mesh.gateway.addr(), std::sync::atomic::AtomicUsize::new(0));
    let connections = std::sync::Arc::new(connections);
    let counted = std::sync::Arc::clone(&connections);
    let connect = tower::service_fn(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { tokio::net::TcpStream::connect(addr).await.map(hyper_util::rt::TokioIo::new) }
    });
    let mut channel = endpoint.connect_with_connector(connect).await.expect("an HTTP/2 connection");
    for _ in 0..3 {
        let request =
            http::Request::get(format!("{}/shop/v1/items/i1", mesh.url)).body(tonic::body::Body::empty());
        tower::ServiceExt::ready(&mut channel).await.expect("ready");
        let answer =
            tower::Service::call(&mut channel, request.expect("a request")).await.expect("an answer");
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));
        let answered = Instant::now();
        eventually("it was silent for longer than a head may take", || async {
            (answered.elapsed() > 2 * HEAD).then_some(())
        })
        .await;
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1, "it was closed between requests");
}
