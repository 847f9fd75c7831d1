//! Vendors' webhooks: their bytes pass unchanged, and the status of the answer says whether the vendor must send the event again.

use std::sync::Arc;

use http::{Method, StatusCode};
use levqor_runtime::{
    clock::Clock,
    error::{ErrorCode, ServiceError, to_status},
    testing::eventually,
};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};

use crate::{
    harness::{Answer, Mesh, mesh, mesh_with, send, service_tokens},
    upstream::{Gate, Reply},
};

const PATHS: [&str; 2] = ["/webhooks/stripe", "/api/webhooks/stripe/checkout-completed"];
const RESEND: &str = "/webhooks/resend";

#[derive(Debug, thiserror::Error)]
#[error("words of the service")]
struct FakeError(ErrorCode, &'static str);

impl ServiceError for FakeError {
    fn code(&self) -> ErrorCode {
        self.0
    }
    fn reason(&self) -> &'static str {
        self.1
    }
}

async fn post(mesh: &Mesh, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    send(signed(mesh, path).body(body)).await
}

/// A request with well-formed signatures. Only the service can find out that they are wrong.
fn signed(mesh: &Mesh, path: &str) -> reqwest::RequestBuilder {
    let request = mesh.request(Method::POST, path).header("stripe-signature", format!("t={},v1=ab", now()));
    let request = request.header("svix-id", "msg_1").header("svix-timestamp", now().to_string());
    request.header("svix-signature", "v1,abcd v1,cdef")
}

fn now() -> i64 {
    Clock::default().now().timestamp()
}

#[tokio::test]
async fn the_bytes_and_the_signature_reach_billing_unchanged() {
    let mesh = mesh().await;
    for path in PATHS {
        mesh.upstream
            .reply_json("IngestStripeEvent", json!({"eventId": "evt_1", "duplicate": true, "state": 1}));
        // The body is neither JSON nor UTF-8. The gateway passes it on anyway.
        let answer = post(&mesh, path, vec![0xff, 0x00, b'{']).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let expected = json!({"ok": true, "event_id": "evt_1", "duplicate": true, "state": "PENDING"});
        assert_eq!(answer.json(), expected);
        let asked = mesh.upstream.asked("IngestStripeEvent");
        assert_eq!(asked["body"], "/wB7");
        let signature = asked["signature"].as_str().expect("a signature");
        assert!(signature.starts_with("t=") && signature.ends_with(",v1=ab"), "{signature}");
        let call = mesh.upstream.calls("IngestStripeEvent").pop().expect("a call");
        assert_eq!(call.metadata.get("x-request-id").expect("an id"), answer.header("x-request-id"));
        assert!(call.metadata.contains_key("traceparent") && call.metadata.contains_key("grpc-timeout"));
    }
}

#[tokio::test]
async fn billing_gets_the_gateways_own_token_whatever_token_the_sender_has() {
    let mesh = mesh().await;
    let request = signed(&mesh, PATHS[0]).header("authorization", "Bearer of-a-stranger");
    assert_eq!(send(request.body("{}")).await.status, StatusCode::OK);
    let call = mesh.upstream.calls("IngestStripeEvent").pop().expect("a call");
    let bearer = call.metadata.get("authorization").expect("a token").to_str().expect("text");
    let token = SecretString::from(bearer.trim_start_matches("Bearer ").to_owned());
    let from = service_tokens().verify(secrecy::ExposeSecret::expose_secret(&token), "billing");
    assert_eq!(from.expect("a service token"), "gateway");
    assert_eq!(call.request["body"], "e30=");
}

#[tokio::test]
async fn a_refusal_of_billing_is_400() {
    let mesh = mesh().await;
    for (code, reason) in [
        (ErrorCode::InvalidArgument, "EVENT_WITHOUT_ID"),
        (ErrorCode::InvalidArgument, "SIGNATURE_INVALID"),
        (ErrorCode::Unauthenticated, "SIGNATURE_INVALID"),
    ] {
        mesh.upstream.fail("IngestStripeEvent", to_status("billing", &FakeError(code, reason)));
        let answer = post(&mesh, PATHS[0], "{}").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{code:?}");
        assert_eq!((answer.json()["reason"].as_str(), answer.header("retry-after")), (Some(reason), ""));
    }
}

#[tokio::test]
async fn every_other_failure_makes_stripe_send_the_event_again() {
    let mesh = mesh().await;
    let failed = |code, reason| to_status("billing", &FakeError(code, reason));
    for status in [
        failed(ErrorCode::Unauthenticated, "TOKEN_INVALID"),
        failed(ErrorCode::PermissionDenied, "ROLE_TOO_LOW"),
        failed(ErrorCode::Unavailable, "DATABASE_UNAVAILABLE"),
        failed(ErrorCode::Internal, "INTERNAL"),
        failed(ErrorCode::NotFound, "UNKNOWN_RPC"),
        Status::invalid_argument("a stranger's words"),
        Status::unauthenticated("SIGNATURE"),
        Status::unimplemented(""),
    ] {
        let shown = format!("{status:?}");
        // If a service does not know tunnels, the gateway calls it once more without one.
        let calls = if status.code() == Code::Unimplemented { 2 } else { 1 };
        for _ in 0..calls {
            mesh.upstream.fail("IngestStripeEvent", status.clone());
        }
        let answer = post(&mesh, PATHS[0], "{}").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{shown}");
        assert_eq!(answer.header("retry-after"), "1", "{shown}");
    }
    mesh.upstream.reply("IngestStripeEvent", [Reply::Gone]);
    assert_eq!(post(&mesh, PATHS[0], "{}").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_service_that_does_not_take_webhooks_through_tunnels_gets_them_without_one() {
    let mesh = mesh().await;
    mesh.upstream.fail("IngestStripeEvent", Status::unimplemented(""));
    assert_eq!(post(&mesh, PATHS[0], "{}").await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.calls("IngestStripeEvent").len(), 2);
}

#[tokio::test]
async fn without_billing_stripe_sends_the_event_again() {
    let mesh = mesh_with(|config| drop(config.addresses.0.remove("billing"))).await;
    let answer = post(&mesh, PATHS[0], "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
}

#[tokio::test]
async fn a_webhook_is_posted_and_not_too_large() {
    let mesh = mesh().await;
    for path in PATHS.into_iter().chain([RESEND]) {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
            let answer = send(mesh.request(method.clone(), path)).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.header("allow"), "POST", "{method} {path}");
        }
        let answer = post(&mesh, path, vec![b'x'; (1 << 20) + 1]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    assert_eq!(mesh.upstream.count(), 0);
    assert_eq!(post(&mesh, PATHS[0], vec![b'x'; 1 << 20]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_bytes_and_all_three_headers_reach_notifications_unchanged() {
    let mesh = mesh().await;
    mesh.upstream
        .reply_json("IngestResendEvent", json!({"eventId": "msg_1", "duplicate": false, "state": 1}));
    let timestamp = now().to_string();
    let request = mesh.request(Method::POST, RESEND).header("svix-id", "msg_1");
    let request = request.header("svix-timestamp", &timestamp).header("svix-signature", "v1,abcd v1,cdef");
    let answer =
        send(request.header("authorization", "Bearer of-a-stranger").body(vec![0xff, 0x00, b'{'])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let expected = json!({"ok": true, "event_id": "msg_1", "duplicate": false, "state": "PENDING"});
    assert_eq!(answer.json(), expected);
    let call = mesh.upstream.calls("IngestResendEvent").pop().expect("a call");
    let asked = json!({"body": "/wB7", "svix_id": "msg_1", "svix_timestamp": timestamp, "svix_signature": "v1,abcd v1,cdef"});
    assert_eq!(call.request, asked);
    assert_eq!(call.metadata.get("x-request-id").expect("an id"), answer.header("x-request-id"));
    let bearer = call.metadata.get("authorization").expect("a token").to_str().expect("text");
    let from = service_tokens().verify(bearer.trim_start_matches("Bearer "), "notifications");
    assert_eq!(from.expect("a service token"), "gateway");
}

#[tokio::test]
async fn resend_sends_the_event_again_unless_the_event_itself_is_bad() {
    let mesh = mesh().await;
    for (code, reason, status) in [
        (ErrorCode::InvalidArgument, "SIGNATURE_STALE", StatusCode::BAD_REQUEST),
        (ErrorCode::NotFound, "WEBHOOKS_OFF", StatusCode::NOT_FOUND),
        (ErrorCode::Unavailable, "DATABASE_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
        (ErrorCode::Internal, "INTERNAL", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        mesh.upstream.fail("IngestResendEvent", to_status("notifications", &FakeError(code, reason)));
        assert_eq!(post(&mesh, RESEND, "{}").await.status, status, "{reason}");
    }
}

#[tokio::test]
async fn a_signature_that_is_missing_malformed_or_out_of_time_is_refused_before_the_body_arrives() {
    let mesh = mesh().await;
    let at = |offset: i64| now() + offset;
    let stripe = |signature: String| ("/webhooks/stripe", vec![("stripe-signature", signature)]);
    let svix = |id: &str, timestamp: String, signature: &str| {
        let headers = [("svix-id", id.to_owned()), ("svix-timestamp", timestamp)];
        (RESEND, headers.into_iter().chain([("svix-signature", signature.to_owned())]).collect())
    };
    for ((path, headers), reason) in [
        (("/webhooks/stripe", vec![]), "SIGNATURE_MISSING"),
        (stripe(" ".to_owned()), "SIGNATURE_MISSING"),
        (stripe("nonsense".to_owned()), "SIGNATURE_MALFORMED"),
        (stripe(format!("t={}", at(0))), "SIGNATURE_MALFORMED"),
        (stripe(format!("t={},v1=zz", at(0))), "SIGNATURE_MALFORMED"),
        (stripe("t=soon,v1=ab".to_owned()), "SIGNATURE_MALFORMED"),
        (stripe(format!("t={},v1={}", at(0), "a".repeat(5000))), "SIGNATURE_MALFORMED"),
        (stripe(format!("t={},v1=ab", at(-400))), "SIGNATURE_STALE"),
        (stripe(format!("t={},v1=ab", at(400))), "SIGNATURE_FUTURE"),
        ((RESEND, vec![]), "SIGNATURE_MISSING"),
        (svix("", at(0).to_string(), "v1,abcd"), "SIGNATURE_MISSING"),
        (svix("msg_1", at(0).to_string(), "ab"), "SIGNATURE_MALFORMED"),
        (svix("msg_1", "soon".to_owned(), "v1,abcd"), "SIGNATURE_MALFORMED"),
        (svix("msg_1", at(-400).to_string(), "v1,abcd"), "SIGNATURE_STALE"),
        (svix("msg_1", at(400).to_string(), "v1,abcd"), "SIGNATURE_FUTURE"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(mesh.gateway.addr()).await.expect("a connection");
        let headers =
            headers.iter().fold(String::new(), |text, (name, value)| text + name + ": " + value + "\r\n");
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}content-length: 1000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        while !answer.ends_with('}') {
            answer.push(stream.read_u8().await.expect("an answer").into());
        }
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(reason), "{head}{answer}");
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_webhook_whose_sender_disconnects_keeps_its_permit_while_billing_works_on_it() {
    let mesh = mesh_with(|config| config.max_concurrent_requests = 1).await;
    let gate = Arc::new(Gate::default());
    mesh.upstream.reply("IngestStripeEvent", [Reply::Gate(gate.clone())]);
    tokio::select! {
        _ = post(&mesh, PATHS[0], "{}") => panic!("the gate is closed"),
        () = gate.entered.notified() => {}
    }
    for _ in 0..20 {
        assert_eq!(post(&mesh, PATHS[0], "{}").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    gate.opened.notify_one();
    let free = || async { (post(&mesh, PATHS[0], "{}").await.status == StatusCode::OK).then_some(()) };
    eventually("the permit is free again", free).await;
}
