//! Answers that are streams, and answers that are bytes.

use std::time::Duration;

use base64::Engine;
use http::{Method, StatusCode};
use levqor_gateway::Silence;
use levqor_runtime::error::{ErrorCode, ServiceError, to_status};
use serde_json::{Value, json};
use tonic::Status;

use crate::{
    harness::{Answer, Mesh, mesh, mesh_with, send},
    upstream::Reply,
};

#[derive(Debug, thiserror::Error)]
#[error("the shop has closed")]
struct Closed;

impl ServiceError for Closed {
    fn code(&self) -> ErrorCode {
        ErrorCode::FailedPrecondition
    }
    fn reason(&self) -> &'static str {
        "SHOP_CLOSED"
    }
}

async fn watch(mesh: &Mesh, accept: &str) -> Answer {
    send(mesh.request(Method::GET, "/shop/v1/items:watch?item_id=i1").header("accept", accept)).await
}

fn last_line(text: &str) -> Value {
    let line = text.trim_end().lines().last().expect("a line");
    serde_json::from_str(line.trim_start_matches("data: ")).expect("JSON")
}

#[tokio::test]
async fn a_stream_is_server_sent_events() {
    let mesh = mesh().await;
    let messages = vec![json!({"itemId": "a", "tags": ["x\ny"]}), json!({"itemId": "b"})];
    mesh.upstream.reply("WatchItems", [Reply::Messages(messages)]);
    let answer = watch(&mesh, "*/*").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/event-stream"));
    let events: Vec<_> = answer.text.split_terminator("\n\n").collect();
    let ids: Vec<Value> = events.iter().map(|event| last_line(event)["item_id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(
        events.iter().all(|event| event.starts_with("data: {") && event.lines().count() == 1),
        "{events:?}"
    );
    assert_eq!(mesh.upstream.asked("WatchItems"), json!({"item_id": "i1"}));
}

#[tokio::test]
async fn a_stream_is_lines_if_the_caller_requests_lines() {
    let mesh = mesh().await;
    mesh.upstream
        .reply("WatchItems", [Reply::Messages(vec![json!({"itemId": "a"}), json!({"itemId": "b"})])]);
    let answer = watch(&mesh, "application/x-ndjson").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let ids: Vec<Value> = answer.text.lines().map(|line| last_line(line)["item_id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test]
async fn a_stream_that_fails_ends_in_an_event_with_the_problem() {
    let mesh = mesh().await;
    let reply = || Reply::Broken(vec![json!({"itemId": "a"})], to_status("shop", &Closed));
    mesh.upstream.reply("WatchItems", [reply(), reply()]);
    let events = watch(&mesh, "text/event-stream").await;
    let (first, error) = events.text.split_once("\n\n").expect("two events");
    assert_eq!(last_line(first)["item_id"], "a");
    assert!(error.starts_with("event: error\ndata: {") && error.ends_with("}\n\n"), "{error}");
    let problem = last_line(error);
    assert_eq!((&problem["status"], &problem["reason"]), (&json!(422), &json!("SHOP_CLOSED")));
    assert_eq!(problem["request_id"], events.header("x-request-id"));
    let lines = watch(&mesh, "application/x-ndjson").await;
    assert_eq!(last_line(&lines.text)["error"]["reason"], "SHOP_CLOSED");
}

#[tokio::test]
async fn a_stream_that_fails_before_it_begins_is_a_problem() {
    let mesh = mesh().await;
    mesh.upstream.fail("WatchItems", to_status("shop", &Closed));
    let answer = watch(&mesh, "text/event-stream").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["detail"], "the shop has closed");
}

#[tokio::test]
async fn a_message_in_a_stream_that_json_cannot_hold_ends_it_with_an_error() {
    let mesh = mesh().await;
    let messages = vec![json!({"itemId": "a"}), json!({"stock": "9007199254740993"}), json!({"itemId": "c"})];
    mesh.upstream.reply("WatchItems", [Reply::Messages(messages)]);
    let answer = watch(&mesh, "text/event-stream").await;
    assert_eq!(last_line(&answer.text)["reason"], "INTERNAL");
    assert!(!answer.text.contains("9007199254740993") && !answer.text.contains("\"c\""), "{}", answer.text);
}

#[tokio::test]
async fn a_stream_has_no_more_time_to_begin_than_any_request() {
    let mesh = mesh_with(|config| config.request_timeout = Duration::from_millis(50)).await;
    mesh.upstream.reply("WatchItems", [Reply::Silence]);
    assert_eq!(watch(&mesh, "text/event-stream").await.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_page_is_answered_as_it_is() {
    let mesh = mesh().await;
    for (content_type, sent) in [
        ("text/html; charset=utf-8", "text/html; charset=utf-8"),
        ("text/plain", "text/plain"),
        ("", "application/octet-stream"),
        ("bad\nvalue", "application/octet-stream"),
    ] {
        mesh.upstream.reply_json("GetPage", json!({"contentType": content_type, "data": "PGI+aGk8L2I+"}));
        let answer = mesh.get("/shop/v1/pages/p1").await;
        assert_eq!(answer.header("content-type"), sent, "{content_type}");
        assert_eq!(answer.text, "<b>hi</b>");
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy.starts_with("sandbox; default-src 'none'"),
            sent.starts_with("text/html"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_stream_of_bytes_is_one_answer() {
    let mesh = mesh().await;
    let part = |content_type: &str, data: &str| json!({"contentType": content_type, "data": data});
    mesh.upstream.reply(
        "DownloadPage",
        [Reply::Messages(vec![part("text/csv", "YSxi"), part("", "Cg=="), part("", "Yw==")])],
    );
    let answer = mesh.get("/shop/v1/pages/p1:download").await;
    assert_eq!((answer.header("content-type"), answer.text.as_str()), ("text/csv", "a,b\nc"));
    mesh.upstream.fail("DownloadPage", Status::not_found("internal words"));
    assert_eq!(mesh.get("/shop/v1/pages/p1:download").await.status, StatusCode::NOT_FOUND);
}

/// Posts a form, as a browser does.
async fn open(mesh: &Mesh, form: &str) -> Answer {
    let request = mesh.request(Method::POST, "/shop/v1/pages/p1:open");
    send(request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())).await
}

#[tokio::test]
async fn a_form_is_answered_with_a_file_that_has_a_name() {
    let mesh = mesh().await;
    let head = json!({"@type": "type.googleapis.com/levqor.type.v1.HttpBodyHead", "fileName": "a.csv"});
    let first = json!({"contentType": "text/csv", "extensions": [head]});
    mesh.upstream.reply("OpenPage", [Reply::Messages(vec![first, json!({"data": "YSxi"})])]);
    let answer = open(&mesh, "code=1+2").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "a,b"));
    assert_eq!(answer.header("content-type"), "text/csv");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a.csv\"");
    let asked = mesh.upstream.asked("OpenPage");
    assert_eq!((&asked["page_id"], &asked["form"]["data"]), (&json!("p1"), &json!("Y29kZT0xKzI=")));
}

#[tokio::test]
async fn a_form_with_a_mistake_is_answered_with_its_page_and_a_status() {
    let mesh = mesh().await;
    let head = json!({"@type": "type.googleapis.com/levqor.type.v1.HttpBodyHead", "status": 403});
    let page =
        json!({"contentType": "text/html; charset=utf-8", "data": "PGI+aGk8L2I+", "extensions": [head]});
    mesh.upstream.reply("OpenPage", [Reply::Messages(vec![page])]);
    let answer = open(&mesh, "code=x").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::FORBIDDEN, "<b>hi</b>"));
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("form-action 'self'") && !policy.contains("sandbox"), "{policy}");
    // A failure of the call is a page, too.
    mesh.upstream.fail("OpenPage", Status::not_found("internal words"));
    let answer = open(&mesh, "code=x").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer.text.starts_with("<!doctype html>") && !answer.text.contains("internal words"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_stream_of_bytes_that_fails_is_not_taken_for_whole() {
    let mesh = mesh().await;
    let part = json!({"contentType": "text/csv", "data": "YSxi"});
    mesh.upstream.reply("DownloadPage", [Reply::Broken(vec![part], Status::internal("disk on fire"))]);
    let read = async { mesh.request(Method::GET, "/shop/v1/pages/p1:download").send().await?.text().await };
    assert!(read.await.is_err());
}

/// A mesh whose streams send these messages and then stall. They last longer than a request may.
async fn stalling(messages: Vec<Value>) -> Mesh {
    let mesh = mesh_with(|config| {
        config.request_timeout = Duration::from_secs(1);
        config.silence = Silence { heartbeat: Duration::from_millis(250), most: Duration::from_millis(1500) };
    })
    .await;
    let reply = || Reply::Stalled(messages.clone());
    mesh.upstream.reply("WatchItems", [reply(), reply()]);
    mesh.upstream.reply("DownloadPage", [Reply::Stalled(messages.clone())]);
    mesh
}

#[tokio::test]
async fn a_stream_that_is_silent_gets_heartbeats_and_ends_after_the_longest_silence() {
    let mesh = stalling(vec![json!({"itemId": "a"})]).await;
    let answer = watch(&mesh, "text/event-stream").await;
    let events: Vec<_> = answer.text.split_terminator("\n\n").collect();
    let [first, heartbeats @ .., error] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(last_line(first)["item_id"], "a");
    assert!((2..=5).contains(&heartbeats.len()), "{events:?}");
    assert!(heartbeats.iter().all(|heartbeat| *heartbeat == ":"), "{events:?}");
    assert_eq!(
        (&last_line(error)["status"], &last_line(error)["code"]),
        (&json!(504), &json!("DEADLINE_EXCEEDED"))
    );
    let lines = watch(&mesh, "application/x-ndjson").await;
    assert_eq!(lines.text.lines().count(), 2, "lines of JSON have no comments: {}", lines.text);
}

#[tokio::test]
async fn a_download_that_is_silent_for_too_long_breaks_off() {
    let mesh = stalling(vec![json!({"contentType": "text/csv", "data": "YSxi"})]).await;
    let answer = mesh.request(Method::GET, "/shop/v1/pages/p1:download").send().await.expect("it begins");
    assert_eq!(answer.headers()["content-type"], "text/csv");
    assert!(answer.text().await.is_err());
}

#[tokio::test]
async fn a_stream_that_changes_something_ends_when_the_time_of_its_request_is_over() {
    let mesh = mesh_with(|config| config.request_timeout = Duration::from_secs(1)).await;
    mesh.upstream.reply("AskShop", [Reply::Stalled(vec![json!({"itemId": "a"})])]);
    let answer = mesh.post("/shop/v1/questions", "{}").await;
    let (first, error) = answer.text.split_once("\n\n").expect("two events");
    assert_eq!(last_line(first)["item_id"], "a");
    assert_eq!(last_line(error)["code"], "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_download_is_read_from_its_service_as_it_is_written_to_its_client() {
    let mesh = mesh().await;
    let part = |n: u8| json!({"data": base64::engine::general_purpose::STANDARD.encode(vec![n; 1 << 20])});
    mesh.upstream.reply("DownloadPage", [Reply::Stalled((0..3).map(part).collect())]);
    let mut answer = mesh.request(Method::GET, "/shop/v1/pages/p1:download").send().await.expect("it begins");
    let mut read = 0;
    // The service's stream is still open, but everything that it has sent can be read.
    while read < 3 << 20 {
        read += answer.chunk().await.expect("no failure").expect("more").len();
    }
}

#[tokio::test]
async fn a_stream_keeps_its_permit_until_its_end() {
    let mesh = mesh_with(|config| config.max_concurrent_requests = 1).await;
    mesh.upstream.reply("WatchItems", [Reply::Stalled(vec![json!({})])]);
    let stream = mesh.request(Method::GET, "/shop/v1/items:watch").send().await.expect("a stream");
    assert_eq!(mesh.get("/shop/v1/items/i1").await.json()["reason"], "BUSY");
    drop(stream);
    levqor_runtime::testing::eventually("the permit is free", || async {
        (mesh.get("/shop/v1/items/i1").await.status == StatusCode::OK).then_some(())
    })
    .await;
}
