//! The health of the mesh: it is measured, and a reader sees as much of it as the reader's role allows.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use levqor_runtime::context::Role;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Mesh, mesh, mesh_with, send, service_tokens, token},
    upstream::{Gate, Reply},
};

/// The time of everything that the services of these tests report.
const SINCE: &str = "2026-11-24T06:00:00Z";

fn status(ready: bool) -> Reply {
    Reply::Messages(vec![json!({
        "service": "any", "version": "9.9.9", "commit": "c0ffee", "protocol": "v1-secret", "ready": ready,
        "readyChangeTime": SINCE,
        "checks": [{"name": "database", "ok": ready, "detail": "secret detail", "durationUs": "7",
                    "checkTime": SINCE, "ageMs": "250"}, {"name": "new", "ok": true}],
        "capabilities": [{"name": "stripe_api", "state": "STATE_OFF", "reason": "secret reason"}, {"name": "new"},
                         {"name": "stripe_prices", "state": "STATE_FAILED", "reason": "secret", "measureTime": SINCE}],
        "backlog": {"waiting": "3", "dead": "1"},
        "migrations": {"applied": 9, "pending": 1},
        "schedules": [{"name": "secret_purge", "periodS": "3600", "lastSlotTime": SINCE, "lastRunTime": SINCE,
                       "nextSlotTime": "2026-11-24T07:00:00Z", "late": true}],
        "errorReportTest": {"lastFailureTime": SINCE, "failure": "secret failure"},
    })])
}

/// A mesh whose four services are ready when they are asked for the first time.
async fn ready_mesh() -> Mesh {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [true; 4].map(status));
    mesh
}

/// The same, also when they are asked again: a measurement lasts a second, and a test may take longer on a busy machine.
async fn lasting_mesh() -> Mesh {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", (0..200).map(|_| status(true)));
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
async fn the_gateway_calls_every_service_and_shows_its_answer() {
    let mesh = ready_mesh().await;
    let answer = mesh.get("/health/ready").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["ready"], true);
    let billing = &json["services"]["billing"];
    let age = billing["checks"][0]["age_ms"].as_i64().expect("an age");
    assert!((250..10_000).contains(&age) && json["age_ms"].as_i64().is_some_and(|asked| asked <= age - 250));
    let checks = json!([{"name": "database", "ok": true, "age_ms": age}, {"name": "new", "ok": true}]);
    assert_eq!(*billing, json!({"ready": true, "state": "UP", "since_time": SINCE, "checks": checks}));
    assert_eq!(json["services"]["gateway"]["ready"], true);
    for call in mesh.upstream.calls("GetStatus") {
        let service = call.request["service"].as_str().expect("a service").to_owned();
        let bearer = call.metadata.get("authorization").expect("a token").to_str().expect("text");
        let from = service_tokens().verify(bearer.trim_start_matches("Bearer "), &service);
        assert_eq!(from.expect("a service token"), "gateway");
    }
    assert_eq!(mesh.upstream.calls("GetStatus").len(), 4);
}

#[tokio::test]
async fn one_service_that_is_not_ready_or_does_not_answer_is_shown_and_the_gateway_stays_ready() {
    for reply in [status(false), Reply::Gone, Reply::Broken(Vec::new(), tonic::Status::internal("secret"))] {
        let state = if matches!(reply, Reply::Messages(_)) { "NOT_READY" } else { "NO_ANSWER" };
        let mesh = mesh().await;
        mesh.upstream.reply("GetStatus", [status(true), status(true), status(true), reply]);
        let answer = mesh.get("/health/ready").await;
        assert_eq!((answer.status, &answer.json()["ready"]), (StatusCode::OK, &json!(true)));
        let services = answer.json()["services"].as_object().expect("services").clone();
        let not_ready: Vec<&Value> = services.values().filter(|service| service["ready"] == false).collect();
        assert_eq!(not_ready.len(), 1, "{}", answer.text);
        assert_eq!(not_ready[0]["state"], state, "{}", answer.text);
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_silent_service_is_shown_with_the_time_of_its_last_answer() {
    let mesh = ready_mesh().await;
    let silent = async |answered: bool| {
        let path = "/health/ready";
        let answer = levqor_runtime::testing::eventually("it is silent", || async {
            mesh.upstream.reply("GetStatus", [(); 4].map(|()| Reply::Gone));
            let json = mesh.get(path).await.json();
            (json["services"]["billing"]["state"] == "NO_ANSWER").then_some(json)
        });
        let billing = answer.await["services"]["billing"].clone();
        let instant = |name: &str| billing[name].as_str().map(str::to_owned);
        assert_eq!(instant("last_answer_time").is_some(), answered, "{billing}");
        (instant("since_time").expect("since when"), instant("last_answer_time"))
    };
    assert_eq!(mesh.get("/health/ready").await.status, StatusCode::OK);
    let first = silent(true).await;
    assert!(Some(&first.0) >= first.1.as_ref(), "{first:?}");
    assert_eq!(silent(true).await, first, "it is silent since then, and not since it was asked again");
}

#[tokio::test]
async fn a_service_that_never_answered_says_so() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [Reply::Gone, Reply::Gone, Reply::Gone]);
    let billing = mesh.get("/v1/status").await.json()["services"]["billing"].clone();
    assert_eq!((&billing["state"], &billing["last_answer_time"]), (&json!("NO_ANSWER"), &Value::Null));
    assert!(billing.as_object().is_some_and(|fields| fields.contains_key("last_answer_time")), "{billing}");
}

#[tokio::test]
async fn the_gateway_is_not_ready_if_no_service_is() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [status(false), Reply::Gone, status(false)]);
    let answer = mesh.get("/health/ready").await;
    assert_eq!((answer.status, &answer.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert_eq!(answer.json()["services"]["gateway"]["ready"], true, "{}", answer.text);
}

#[tokio::test]
async fn incidents_are_those_that_support_shows_and_absent_if_it_does_not_answer() {
    let mesh = ready_mesh().await;
    let incident = json!({"incidentId": "i1", "state": "STATE_INVESTIGATING", "title": "Orders are slow", "startTime": SINCE});
    mesh.upstream.reply_json("GetPublicStatus", json!({"incidents": [incident]}));
    let shown = mesh.get("/v1/status").await.json()["incidents"].clone();
    let expected = json!([{"incident_id": "i1", "state": "STATE_INVESTIGATING", "title": "Orders are slow", "start_time": SINCE}]);
    assert_eq!(shown, expected);
    let silent = ready_mesh().await;
    silent.upstream.reply("GetPublicStatus", [Reply::Gone]);
    let json = silent.get("/v1/status").await.json();
    assert!(json.get("incidents").is_none() && json["services"]["support"]["ready"] == true, "{json}");
}

#[tokio::test]
async fn the_public_sees_names_and_states_and_no_reasons() {
    let mesh = ready_mesh().await;
    let answer = mesh.get("/v1/status").await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert_eq!(json["incidents"], json!([]));
    let mut billing = json["services"]["billing"].clone();
    billing["checks"][0]["age_ms"].take();
    let capabilities = json!([{"name": "stripe_api", "state": "OFF"}, {"name": "new", "state": "OFF"},
                              {"name": "stripe_prices", "state": "FAILED", "measure_time": SINCE}]);
    let checks = json!([{"name": "database", "ok": true, "age_ms": null}, {"name": "new", "ok": true}]);
    let state = json!({"ready": true, "state": "UP", "since_time": SINCE, "checks": checks, "capabilities": capabilities});
    assert_eq!(billing, state);
    for hidden in ["secret", "9.9.9", "c0ffee", "backlog", "duration", "reason", env!("CARGO_PKG_VERSION")] {
        assert!(!answer.text.contains(hidden), "{hidden}: {}", answer.text);
    }
}

#[tokio::test]
async fn staff_see_why() {
    let mesh = lasting_mesh().await;
    for (role, sees) in [(Role::Customer, false), (Role::Staff, true), (Role::Admin, true)] {
        let bearer = format!("Bearer {}", token(role));
        let answer = send(mesh.request(Method::GET, "/v1/status").header("authorization", bearer)).await;
        let billing = answer.json()["services"]["billing"].clone();
        assert_eq!(billing["version"] == "9.9.9", sees, "{role:?}");
        assert_eq!(billing["checks"][0]["detail"] == "secret detail", sees, "{role:?}");
        assert_eq!(billing["capabilities"][0]["reason"] == "secret reason", sees, "{role:?}");
        assert_eq!(billing["backlog"]["waiting"] == 3, sees, "{role:?}");
        let migrations = json!({"applied": 9, "pending": 1, "unknown": 0});
        assert_eq!(billing["migrations"] == migrations, sees, "{role:?}");
        assert_eq!(billing["schedules"][0]["late"] == true, sees, "{role:?}");
        assert_eq!(billing["error_report_test"]["failure"] == "secret failure", sees, "{role:?}");
        let built = answer.json()["services"]["gateway"]["protocol"].as_str().map(str::to_owned);
        assert_eq!(built.is_some_and(|protocol| protocol.starts_with("v1-")), sees, "{role:?}");
    }
    let bad = send(mesh.request(Method::GET, "/v1/status").header("authorization", "Bearer x")).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_gateway_lists_its_capabilities() {
    let mesh = ready_mesh().await;
    assert_eq!(capability(&mesh, "rest").await, json!("ON"));
    assert_eq!(capability(&mesh, "rate_limits").await, json!("ON"));
    assert_eq!(capability(&mesh, "cors").await, json!("OFF"));
    let other = mesh_with(|config| {
        config.rates.on = false;
        config.cors_origins = "loopback".parse().expect("origins");
    })
    .await;
    assert_eq!(capability(&other, "rate_limits").await, json!("OFF"));
    assert_eq!(capability(&other, "cors").await, json!("ON"));
}

/// The state of a capability of the gateway's.
async fn capability(mesh: &Mesh, name: &str) -> Value {
    let json = mesh.get("/v1/status").await.json();
    let capabilities = json["services"]["gateway"]["capabilities"].as_array().expect("capabilities");
    capabilities.iter().find(|c| c["name"] == name).expect(name)["state"].clone()
}

#[tokio::test]
async fn many_readers_share_a_measurement() {
    let mesh = lasting_mesh().await;
    let begun = Instant::now();
    let readers = (0..50).map(|n| mesh.get(if n % 2 == 0 { "/v1/status" } else { "/health/ready" }));
    let answers = futures_util::future::join_all(readers).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    // Four services, measured once, and once more for each second that the fifty requests took.
    let measured = 1 + begun.elapsed().as_secs();
    let asked = u64::try_from(mesh.upstream.calls("GetStatus").len()).expect("a few");
    assert!(asked <= 4 * measured, "{asked} were asked in {measured} s");
}

#[tokio::test]
async fn a_recent_measurement_answers_without_waiting_for_a_silent_service() {
    let mesh = mesh().await;
    mesh.upstream.reply("GetStatus", [false, false, false].map(status));
    assert_eq!(mesh.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let gate = std::sync::Arc::new(Gate::default());
    mesh.upstream.reply("GetStatus", [Reply::Gate(gate.clone())]);
    let told = std::cell::Cell::new(false);
    let first = async {
        while !told.get() {
            assert_eq!(mesh.get("/v1/status").await.status, StatusCode::OK);
        }
    };
    let second = async {
        gate.entered.notified().await;
        for path in ["/v1/status", "/health/ready"] {
            let answer = timeout(Duration::from_secs(1), mesh.get(path)).await.expect("it does not wait");
            assert_eq!(answer.json()["services"]["billing"]["state"], "NOT_READY", "{}", answer.text);
        }
        told.set(true);
        gate.opened.notify_one();
    };
    tokio::join!(first, second);
}

#[tokio::test]
async fn a_measurement_is_repeated_after_a_while() {
    let mesh = ready_mesh().await;
    assert_eq!(mesh.get("/health/ready").await.status, StatusCode::OK);
    levqor_runtime::testing::eventually("a second measurement", || async {
        mesh.upstream.reply("GetStatus", [false, false, false].map(status));
        (mesh.get("/health/ready").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
}
