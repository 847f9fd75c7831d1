//! The problems that callers get, and the facts that callers never get.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use levqor_gateway::Config;
use levqor_runtime::{
    client::Address,
    error::{ErrorCode, ServiceError, Violation, to_status},
};
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    harness::{mesh, mesh_with},
    upstream::Reply,
};

#[derive(Debug, thiserror::Error)]
#[error("words of the service")]
struct FakeError(ErrorCode, Vec<Violation>, Option<Duration>);

impl ServiceError for FakeError {
    fn code(&self) -> ErrorCode {
        self.0
    }
    fn reason(&self) -> &'static str {
        "SHELF_EMPTY"
    }
    fn violations(&self) -> &[Violation] {
        &self.1
    }
    fn retry_after(&self) -> Option<Duration> {
        self.2
    }
}

#[tokio::test]
async fn every_code_has_its_status_and_its_form() {
    let mesh = mesh().await;
    for &code in ErrorCode::ALL {
        // An unavailable service is asked three times.
        let reply = || Reply::Broken(Vec::new(), to_status("shop", &FakeError(code, Vec::new(), None)));
        let tries = if code == ErrorCode::Unavailable { 3 } else { 1 };
        mesh.upstream.reply("GetItem", (0..tries).map(|_| reply()));
        let answer = mesh.get("/shop/v1/items/i1").await;
        assert_eq!(answer.status.as_u16(), code.http_status(), "{code:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let json = answer.json();
        assert_eq!(json["type"], "https://levqor.ai/problems/shelf-empty", "{code:?}");
        assert_eq!(json["title"], answer.status.canonical_reason().expect("a reason"));
        assert_eq!(json["status"], answer.status.as_u16());
        assert_eq!((&json["code"], &json["reason"]), (&json!(code.as_str()), &json!("SHELF_EMPTY")));
        assert_eq!(json["detail"] == "words of the service", code != ErrorCode::Internal, "{code:?}");
        assert_eq!(answer.header("www-authenticate") == "Bearer", answer.status == StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn violations_and_the_retry_time_are_passed_on() {
    let mesh = mesh().await;
    let violations =
        vec![Violation { field: "order.tier".to_owned(), description: "expected a tier".to_owned() }];
    let error = FakeError(ErrorCode::Aborted, violations, Some(Duration::from_millis(1500)));
    mesh.upstream.fail("GetItem", to_status("shop", &error));
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::CONFLICT, "2"));
    let json = answer.json();
    assert_eq!(json["retry_after_s"], 2);
    assert_eq!(json["errors"], json!([{"field": "order.tier", "description": "expected a tier"}]));
}

#[tokio::test]
async fn a_problem_can_be_found_again() {
    let mesh = mesh().await;
    let answer = mesh.get("/nothing").await;
    let json = answer.json();
    assert_eq!(json["request_id"], answer.header("x-request-id"));
    assert_eq!(json["trace_id"], answer.header("x-trace-id"));
    assert_eq!(answer.header("x-trace-id").len(), 32);
}

#[tokio::test]
async fn texts_that_are_not_of_a_service_are_never_passed_on() {
    let mesh = mesh().await;
    for code in [
        Code::InvalidArgument,
        Code::NotFound,
        Code::Internal,
        Code::Unknown,
        Code::DataLoss,
        Code::OutOfRange,
    ] {
        mesh.upstream.fail("GetItem", Status::new(code, "SELECT * FROM secrets"));
        let answer = mesh.get("/shop/v1/items/i1").await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error());
        assert!(!answer.text.contains("SELECT"), "{code:?}: {}", answer.text);
    }
    mesh.upstream.fail("GetItem", to_status("shop", &FakeError(ErrorCode::Internal, Vec::new(), None)));
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.json()["detail"], "something went wrong on our side; the failure was recorded");
}

/// A port that nothing listens on.
fn nowhere(config: &mut Config) {
    let address = Address::Fixed(SocketAddr::from(([127, 0, 0, 1], 1)));
    config.addresses.0.insert("shop".to_owned(), vec![address]);
}

#[tokio::test]
async fn an_unreachable_service_is_503_without_the_transports_text() {
    let mesh = mesh_with(nowhere).await;
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.json()["detail"], "the service is not reachable right now");
    for word in ["tcp", "connect", "refused", "127.0.0.1", "transport", "hyper"] {
        assert!(!answer.text.to_lowercase().contains(word), "{word}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_503_and_not_our_fault() {
    let mesh = mesh().await;
    mesh.upstream.reply("CreateOrder", [Reply::Gone]);
    let answer = mesh.post("/shop/v1/orders", "{}").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert_eq!(mesh.upstream.calls("CreateOrder").len(), 1);
}

#[tokio::test]
async fn a_service_without_an_address_is_503() {
    let mesh = mesh_with(|config| drop(config.addresses.0.remove("shop"))).await;
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["detail"], "the service is not reachable right now");
}

#[tokio::test]
async fn only_repeatable_calls_are_retried_and_at_most_twice() {
    let mesh = mesh().await;
    let busy = || Reply::Broken(Vec::new(), Status::unavailable("busy"));
    mesh.upstream.reply("GetItem", [busy(), busy()]);
    assert_eq!(mesh.get("/shop/v1/items/i1").await.status, StatusCode::OK);
    assert_eq!(mesh.upstream.calls("GetItem").len(), 3);
    mesh.upstream.reply("CancelOrder", [busy(), busy(), busy(), busy()]);
    assert_eq!(mesh.post("/shop/v1/orders/o:cancel", "{}").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(mesh.upstream.calls("CancelOrder").len(), 3);
    mesh.upstream.reply("CreateOrder", [busy()]);
    assert_eq!(mesh.post("/shop/v1/orders", "{}").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(mesh.upstream.calls("CreateOrder").len(), 1);
    mesh.upstream.fail("GetTag", Status::aborted(""));
    assert_eq!(mesh.get("/shop/v1/tags/t").await.status, StatusCode::CONFLICT);
    assert_eq!(mesh.upstream.calls("GetTag").len(), 1);
}

#[tokio::test]
async fn an_error_with_a_retry_time_is_not_retried_by_the_gateway() {
    let mesh = mesh().await;
    let error = FakeError(ErrorCode::Unavailable, Vec::new(), Some(Duration::from_secs(30)));
    mesh.upstream.fail("GetItem", to_status("shop", &error));
    let answer = mesh.get("/shop/v1/items/i1").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "30"));
    assert_eq!(mesh.upstream.calls("GetItem").len(), 1);
}
