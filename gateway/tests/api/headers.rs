//! Which headers pass the gateway, and which do not.

use http::{Method, StatusCode};
use levqor_runtime::context::Role;

use crate::{
    harness::{Answer, Mesh, mesh, send, token},
    upstream::Reply,
};

async fn charge(mesh: &Mesh, keys: &[&str]) -> Answer {
    let bearer = format!("Bearer {}", token(Role::Customer));
    let mut request = mesh.request(Method::POST, "/shop/v1/charges").header("authorization", bearer);
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    send(request).await
}

#[tokio::test]
async fn an_idempotency_key_is_passed_on_bare() {
    let mesh = mesh().await;
    let long = "k".repeat(255);
    for (header, key) in
        [("k-1", "k-1"), ("\"k-2\"", "k-2"), (r#""a\"b""#, "a\"b"), (long.as_str(), long.as_str())]
    {
        assert_eq!(charge(&mesh, &[header]).await.status, StatusCode::OK, "{header}");
        let call = mesh.upstream.calls("Charge").pop().expect("a call");
        assert_eq!(call.metadata.get("idempotency-key").expect("a key"), key);
    }
}

#[tokio::test]
async fn an_idempotency_key_that_is_missing_or_wrong_is_refused() {
    let mesh = mesh().await;
    let long = "k".repeat(256);
    let cases: [&[&str]; 8] =
        [&[], &[""], &["\"\""], &["\"k"], &["a b"], &["k\u{e9}"], &[&long], &["a", "b"]];
    for keys in cases {
        let answer = charge(&mesh, keys).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{keys:?}");
        assert_eq!(answer.fields(), ["Idempotency-Key"], "{keys:?}");
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_call_with_a_key_may_be_tried_again() {
    let mesh = mesh().await;
    let busy = || Reply::Broken(Vec::new(), tonic::Status::unavailable(""));
    mesh.upstream.reply("Charge", [busy(), busy()]);
    assert_eq!(charge(&mesh, &["k"]).await.status, StatusCode::OK);
    let calls = mesh.upstream.calls("Charge");
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.metadata.get("idempotency-key").is_some_and(|key| key == "k")));
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_fit_for_a_log() {
    let mesh = mesh().await;
    let long = "r".repeat(129);
    for (given, kept) in
        [("req-1.A_b", true), ("a b", false), ("a/b", false), (long.as_str(), false), ("", false)]
    {
        let answer = send(mesh.request(Method::GET, "/shop/v1/items/i1").header("x-request-id", given)).await;
        let id = answer.header("x-request-id");
        assert_eq!(id == given, kept, "{given}");
        assert!((1..=128).contains(&id.len()), "{given}");
        let call = mesh.upstream.calls("GetItem").pop().expect("a call");
        assert_eq!(call.metadata.get("x-request-id").expect("an id"), id);
    }
}

#[tokio::test]
async fn a_trace_continues_in_the_service() {
    let mesh = mesh().await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let request = mesh.request(Method::GET, "/shop/v1/items/i1").header("traceparent", &parent);
    let answer = send(request.header("tracestate", "vendor=1")).await;
    assert_eq!(answer.header("x-trace-id"), trace_id);
    let call = mesh.upstream.calls("GetItem").pop().expect("a call");
    let passed_on = call.metadata.get("traceparent").expect("a context").to_str().expect("text");
    assert!(passed_on.contains(trace_id) && passed_on != parent, "{passed_on}");
    assert_eq!(call.metadata.get("tracestate").expect("a state"), "vendor=1");
}

#[tokio::test]
async fn no_other_header_is_passed_on() {
    let mesh = mesh().await;
    let mut request = mesh.request(Method::GET, "/shop/v1/items/i1").header("accept-language", "de");
    for name in [
        "x-user-email",
        "x-levqor-role",
        "cookie",
        "x-forwarded-for",
        "baggage",
        "grpc-metadata-a",
        "forwarded",
    ] {
        request = request.header(name, "admin");
    }
    assert_eq!(send(request.header("grpc-timeout", "1H")).await.status, StatusCode::OK);
    let call = mesh.upstream.calls("GetItem").pop().expect("a call");
    assert_eq!(call.metadata.get("accept-language").expect("a language"), "de");
    assert_ne!(call.metadata.get("grpc-timeout").expect("a timeout"), "1H");
    let mut names: Vec<_> = call.metadata.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept-language",
        "content-type",
        "grpc-timeout",
        "te",
        "traceparent",
        "user-agent",
        "x-request-id",
    ];
    assert_eq!(names, expected);
}
