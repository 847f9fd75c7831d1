//! What traces and logs show of a request: its route, and nothing about its caller.

use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

use crate::{
    harness::{mesh, send},
    upstream::Reply,
};

/// Keeps every field of every span and event.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, String)>>>);

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.lock().expect("unpoisoned").push((field.name().to_owned(), value.to_owned()));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut self.clone());
    }
    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

impl Seen {
    fn has(&self, name: &str, value: &str) -> bool {
        self.0.lock().expect("unpoisoned").iter().any(|(n, v)| n == name && v == value)
    }
}

#[tokio::test]
async fn a_span_is_named_after_the_route_and_never_holds_the_path_or_the_query() {
    let seen = Seen::default();
    let levels = tracing_subscriber::filter::Targets::new().with_target("levqor", tracing::Level::TRACE);
    let _guard =
        levqor_runtime::testing::hear(tracing_subscriber::registry().with(seen.clone().with_filter(levels)));
    let mesh = mesh().await;
    mesh.upstream.reply(
        "GetItem",
        [Reply::Messages(vec![serde_json::json!({})]), Reply::Gone, Reply::Gone, Reply::Gone],
    );
    for status in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
        let answer = mesh.get("/shop/v1/items/alice%40example.com?shop.shop_id=alice").await;
        assert_eq!(answer.status, status);
        assert!(seen.has("http.response.status_code", status.as_str()), "{status}");
    }
    for (name, value) in [
        ("http.route", "/shop/v1/items/{item_id}"),
        ("url.path", "/shop/v1/items/{item_id}"),
        ("http.request.method", "GET"),
        ("otel.kind", "server"),
        ("otel.status_code", "ERROR"),
    ] {
        assert!(seen.has(name, value), "{name}");
    }
    mesh.get("/health/live").await;
    assert!(seen.has("http.route", "/health/live"));
    send(mesh.request(Method::from_bytes(b"MADEUP").expect("a method"), "/alice")).await;
    assert!(seen.has("otel.name", "_OTHER"));
    let all = seen.0.lock().expect("unpoisoned");
    assert!(!all.iter().any(|(_, value)| value.contains("alice") || value.contains("MADEUP")), "{all:?}");
}

#[tokio::test]
async fn without_tracing_the_callers_trace_context_is_passed_on() {
    let _guard = levqor_runtime::testing::hear(tracing::subscriber::NoSubscriber::default());
    let mesh = mesh().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = mesh.request(Method::GET, "/shop/v1/items/i1").header("traceparent", parent);
    let answer = send(request.header("tracestate", "vendor=1")).await;
    assert_eq!((answer.status, answer.header("x-trace-id")), (StatusCode::OK, ""));
    let call = mesh.upstream.calls("GetItem").pop().expect("a call");
    assert_eq!(call.metadata.get("traceparent").expect("a context"), parent);
    assert_eq!(call.metadata.get("tracestate").expect("a state"), "vendor=1");
}
