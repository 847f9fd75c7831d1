//! How the mesh is: measured, and shown as far as the reader may see.

use http::{Method, StatusCode};
use levqor_runtime::context::Role;
use serde_json::{Value, json};

use crate::{
    harness::{Mesh, mesh, send, service_tokens, token},
    upstream::Reply,
};

fn status(ready: bool) -> Reply {
    Reply::Messages(vec![json!({
        "service": "any", "version": "9.9.9", "ready": ready,
        "checks": [{"name": "database", "ok": ready, "detail": "secret detail", "durationUs": "7"}],
        "capabilities": [{"name": "stripe_api", "state": "STATE_OFF", "reason": "secret reason"}, {"name": "new"}],
        "backlog": {"waiting": "3", "dead": "1"},
    })])
}

async fn ready_mesh() -> Mesh {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [true, true, true].map(status));
    mesh
}

#[tokio::test]
async fn a_live_process_says_so_whatever_it_depends_on() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [Reply::Gone]);
    let answer = mesh.get("/health/live").await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "live"})));
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn the_gateway_asks_every_service_and_shows_what_it_says() {
    let mesh = ready_mesh().await;
    let answer = mesh.get("/health/ready").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["ready"], true);
    assert_eq!(
        json["services"]["billing"],
        json!({"ready": true, "checks": [{"name": "database", "ok": true}]})
    );
    assert_eq!(json["services"]["gateway"]["ready"], true);
    for call in mesh.upstream.calls("GetStatus") {
        let service = call.request["service"].as_str().expect("a service").to_owned();
        let bearer = call.metadata.get("authorization").expect("a token").to_str().expect("text");
        let from = service_tokens().verify(bearer.trim_start_matches("Bearer "), &service);
        assert_eq!(from.expect("a service token"), "gateway");
    }
    assert_eq!(mesh.upstream.calls("GetStatus").len(), 3);
}

#[tokio::test]
async fn one_service_that_is_not_ready_or_not_there_is_shown_and_does_not_close_the_door() {
    for reply in [status(false), Reply::Gone, Reply::Broken(Vec::new(), tonic::Status::internal("secret"))] {
        let unreachable = !matches!(reply, Reply::Messages(_));
        let mesh = mesh().await;
        mesh.upstream.reply("GetStatus", [status(true), status(true), reply]);
        let answer = mesh.get("/health/ready").await;
        assert_eq!((answer.status, &answer.json()["ready"]), (StatusCode::OK, &json!(true)));
        let services = answer.json()["services"].as_object().expect("services").clone();
        let not_ready: Vec<&Value> = services.values().filter(|service| service["ready"] == false).collect();
        assert_eq!(not_ready.len(), 1, "{}", answer.text);
        assert_eq!(not_ready[0]["unreachable"] == true, unreachable, "{}", answer.text);
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
}

#[tokio::test]
async fn without_any_service_that_is_ready_the_gateway_is_not() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [status(false), Reply::Gone, status(false)]);
    let answer = mesh.get("/health/ready").await;
    assert_eq!((answer.status, &answer.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert_eq!(answer.json()["services"]["gateway"]["ready"], true, "{}", answer.text);
}

#[tokio::test]
async fn the_public_sees_names_and_states_and_no_reasons() {
    let mesh = ready_mesh().await;
    let answer = mesh.get("/v1/status").await;
    assert_eq!(answer.status, StatusCode::OK);
    let billing = &answer.json()["services"]["billing"];
    let capabilities = json!([{"name": "stripe_api", "state": "OFF"}, {"name": "new", "state": "OFF"}]);
    let checks = json!([{"name": "database", "ok": true}]);
    assert_eq!(*billing, json!({"ready": true, "checks": checks, "capabilities": capabilities}));
    for hidden in ["secret", "9.9.9", "backlog", "duration", "reason", env!("CARGO_PKG_VERSION")] {
        assert!(!answer.text.contains(hidden), "{hidden}: {}", answer.text);
    }
}

#[tokio::test]
async fn staff_see_why() {
    let mesh = ready_mesh().await;
    for (role, sees) in [(Role::Customer, false), (Role::Staff, true), (Role::Admin, true)] {
        let bearer = format!("Bearer {}", token(role));
        let answer = send(mesh.request(Method::GET, "/v1/status").header("authorization", bearer)).await;
        let billing = answer.json()["services"]["billing"].clone();
        assert_eq!(billing["version"] == "9.9.9", sees, "{role:?}");
        assert_eq!(billing["checks"][0]["detail"] == "secret detail", sees, "{role:?}");
        assert_eq!(billing["capabilities"][0]["reason"] == "secret reason", sees, "{role:?}");
        assert_eq!(billing["backlog"]["waiting"] == 3, sees, "{role:?}");
    }
    let bad = send(mesh.request(Method::GET, "/v1/status").header("authorization", "Bearer x")).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_gateway_says_what_it_cannot_do() {
    let mesh = ready_mesh().await;
    let json = mesh.get("/v1/status").await.json();
    let capabilities = json["services"]["gateway"]["capabilities"].as_array().expect("capabilities").clone();
    let state = |name: &str| capabilities.iter().find(|c| c["name"] == name).map(|c| c["state"].clone());
    assert_eq!(state("rest"), Some(json!("ON")));
    assert_eq!(state("rate_limits"), Some(json!("OFF")));
}

#[tokio::test]
async fn many_readers_cause_one_measurement() {
    let mesh = ready_mesh().await;
    let readers = (0..50).map(|n| mesh.get(if n % 2 == 0 { "/v1/status" } else { "/health/ready" }));
    let answers = futures_util::future::join_all(readers).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    // Three services, and a second measurement at most where the fifty took longer than a second.
    assert!(mesh.upstream.calls("GetStatus").len() <= 6, "{}", mesh.upstream.calls("GetStatus").len());
}

#[tokio::test]
async fn a_measurement_does_not_last() {
    let mesh = ready_mesh().await;
    assert_eq!(mesh.get("/health/ready").await.status, StatusCode::OK);
    levqor_runtime::testing::eventually("a second measurement", || async {
        mesh.upstream.reply("GetStatus", [false, false, false].map(status));
        (mesh.get("/health/ready").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
}
