//! Browsers: pages of allowed origins may send requests and read the responses, and pages of other origins may not.

use http::{Method, StatusCode, header};
use levqor_runtime::context::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{Answer, Mesh, mesh, mesh_with, send, token},
    upstream::{Gate, Reply},
};

const SITE: &str = "https://levqor.ai";
const OTHER: &str = "https://evil.example";

async fn browsed_mesh() -> Mesh {
    mesh_with(|config| {
        config.cors_origins = "https://levqor.ai,https://www.levqor.ai".parse().expect("origins");
    })
    .await
}

async fn get_from(mesh: &Mesh, origin: &str, path: &str) -> Answer {
    send(mesh.request(Method::GET, path).header("origin", origin)).await
}

async fn preflight(mesh: &Mesh, origin: &str, path: &str, method: &str) -> Answer {
    let request = mesh.request(Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    send(request.header("access-control-request-headers", "authorization,content-type,idempotency-key")).await
}

/// Asserts that a page of this origin can read the answer, with credentials.
fn assert_readable(answer: &Answer, origin: &str, what: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{what}");
    assert_eq!(answer.header("access-control-allow-credentials"), "true", "{what}");
    assert_varies(answer, what);
    let exposed = answer.header("access-control-expose-headers");
    for name in [
        "x-request-id",
        "x-trace-id",
        "traceresponse",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "location",
        "etag",
    ] {
        assert!(exposed.split(',').any(|exposed| exposed.trim() == name), "{what}: {name} in {exposed}");
    }
}

/// Asserts that no cache gives one origin's answer to another.
fn assert_varies(answer: &Answer, what: &str) {
    let vary = answer.headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    assert!(vary.flat_map(|v| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case("origin")), "{what}");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_answers_and_refusals_alike() {
    let mesh = browsed_mesh().await;
    for origin in [SITE, "https://www.levqor.ai"] {
        for (path, status) in [
            ("/shop/v1/items/i1", StatusCode::OK),
            ("/v1/status", StatusCode::OK),
            ("/shop/v1/takings", StatusCode::UNAUTHORIZED),
            ("/shop/v1/items/i1?foo=1", StatusCode::BAD_REQUEST),
            ("/nothing", StatusCode::NOT_FOUND),
        ] {
            let answer = get_from(&mesh, origin, path).await;
            assert_eq!(answer.status, status, "{path}");
            assert_readable(&answer, origin, path);
        }
    }
    mesh.upstream.reply("GetItem", [Reply::Broken(Vec::new(), tonic::Status::internal("secret"))]);
    let failed = get_from(&mesh, SITE, "/shop/v1/items/i1").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_readable(&failed, SITE, "a failure of ours");
    let customer = mesh.request(Method::GET, "/shop/v1/takings").header("origin", SITE);
    let answer = send(customer.bearer_auth(token(Role::Staff))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_readable(&answer, SITE, "with a token");
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing() {
    let mesh = browsed_mesh().await;
    for origin in
        [OTHER, "null", "http://levqor.ai", "https://levqor.ai.evil.example", "http://localhost:3000", ""]
    {
        let answer = get_from(&mesh, origin, "/shop/v1/items/i1").await;
        assert_eq!(answer.status, StatusCode::OK, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        assert_varies(&answer, origin);
        let answer = preflight(&mesh, origin, "/shop/v1/orders", "POST").await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        assert_varies(&answer, origin);
    }
    assert_varies(&mesh.get("/shop/v1/items/i1").await, "no origin");
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_asks_no_service() {
    let mesh = browsed_mesh().await;
    for (path, method) in [
        ("/shop/v1/takings", "GET"),
        ("/shop/v1/charges", "POST"),
        ("/shop/v1/orders/o1", "PATCH"),
        ("/shop/v1/orders/o1", "DELETE"),
        ("/shop/v1/orders/o1/labels", "PUT"),
        ("/v1/status", "GET"),
    ] {
        let answer = preflight(&mesh, SITE, path, method).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), SITE, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
        let (methods, headers) =
            (answer.header("access-control-allow-methods"), answer.header("access-control-allow-headers"));
        assert!(methods.split(',').any(|allowed| allowed.trim() == method), "{path}: {methods}");
        for name in ["authorization", "content-type", "idempotency-key"] {
            assert!(headers.split(',').any(|allowed| allowed.trim() == name), "{path}: {name} in {headers}");
        }
        let max_age: u32 = answer.header("access-control-max-age").parse().expect("seconds");
        assert!((60..=7200).contains(&max_age), "{path}: {max_age}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        assert_varies(&answer, path);
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_preflight_is_answered_and_a_refusal_can_be_read_while_we_are_busy() {
    let mesh = mesh_with(|config| {
        config.cors_origins = SITE.parse().expect("origins");
        config.max_concurrent_requests = 1;
    })
    .await;
    let gate = std::sync::Arc::new(Gate::default());
    mesh.upstream.reply("GetItem", [Reply::Gate(gate.clone())]);
    let first = async { mesh.get("/shop/v1/items/i1").await.status };
    let second = async {
        gate.entered.notified().await;
        let refused = get_from(&mesh, SITE, "/shop/v1/items/i2").await;
        let preflight = preflight(&mesh, SITE, "/shop/v1/orders", "POST").await;
        gate.opened.notify_one();
        (refused, preflight)
    };
    let (first, (refused, preflight)) = tokio::join!(first, second);
    assert_eq!(first, StatusCode::OK);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_readable(&refused, SITE, "busy");
    assert!(preflight.status.is_success(), "{}", preflight.status);
}

#[tokio::test]
async fn a_preflight_with_a_malformed_head_is_refused_like_any_other_request() {
    let mesh = browsed_mesh().await;
    let fields = "origin: https://levqor.ai\r\naccess-control-request-method: GET\r\nconnection: close\r\n";
    for (host, status) in [("host: a\r\n", "200"), ("", "400"), ("host: a\r\nhost: b\r\n", "400")] {
        let mut stream = TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
        let head = format!("OPTIONS /shop/v1/orders HTTP/1.1\r\n{host}{fields}\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host:?}: {answer}");
    }
}

#[tokio::test]
async fn options_without_preflight_headers_is_an_ordinary_request() {
    let mesh = browsed_mesh().await;
    let answer = send(mesh.request(Method::OPTIONS, "/shop/v1/orders").header("origin", SITE)).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = send(mesh.request(Method::OPTIONS, "/shop/v1/orders")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_origins_no_page_is_allowed_and_vendors_and_probes_need_none() {
    let closed = mesh().await;
    for answer in [
        get_from(&closed, SITE, "/shop/v1/items/i1").await,
        get_from(&closed, "http://localhost:3000", "/shop/v1/items/i1").await,
        preflight(&closed, SITE, "/shop/v1/orders", "POST").await,
    ] {
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    let open = browsed_mesh().await;
    for path in ["/health/live", "/health/ready", "/webhooks/stripe", "/webhooks/resend"] {
        let answer = get_from(&open, SITE, path).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}
