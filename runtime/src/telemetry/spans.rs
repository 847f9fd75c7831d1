//! Spans by OpenTelemetry's semantic conventions, and the trace context (W3C) that crosses HTTP, gRPC and deferred calls.

use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span of a request that arrives over gRPC.
pub(crate) fn rpc_server_span(path: &str, headers: &http::HeaderMap, request_id: &str) -> Span {
    let rpc = path.trim_start_matches('/');
    let span = tracing::info_span!(
        "rpc",
        otel.name = rpc,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = rpc,
        rpc.response.status_code = Empty,
        request.id = request_id,
        trace_id = Empty,
    );
    continue_trace(&span, headers);
    span
}

/// Makes the span a child of the context in the headers, before it is entered, and notes its trace id.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap) {
    adopt(span, &HeaderExtractor(headers));
}

fn adopt(span: &Span, carrier: &dyn Extractor) {
    let parent = TraceContextPropagator::new().extract(carrier);
    // Without a subscriber there is nothing to set it on.
    let _ = span.set_parent(parent);
    if let Some(trace_id) = trace_id_of(span) {
        span.record("trace_id", trace_id);
    }
}

/// The trace id of a span, as 32 hex digits; none outside of any trace.
#[must_use]
pub fn trace_id_of(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// The span of one try of a deferred call, in the trace that deferred it.
pub(crate) fn deferred_span(rpc: &str, trace_parent: &str) -> Span {
    let span = tracing::info_span!(
        "deferred call",
        otel.name = rpc,
        otel.kind = "client",
        rpc.system.name = "grpc",
        rpc.method = rpc,
        trace_id = Empty,
    );
    adopt(&span, &TraceParent(trace_parent));
    span
}

/// The span of work that goes on from a stored trace context.
pub fn resumed_span(name: &'static str, trace_parent: &str) -> Span {
    let span = tracing::info_span!("work", otel.name = name, otel.kind = "consumer", trace_id = Empty);
    adopt(&span, &TraceParent(trace_parent));
    span
}

/// The current trace context as a `traceparent`, to be stored with work; empty outside of any trace.
#[must_use]
pub fn current_trace_parent() -> String {
    let mut metadata = MetadataMap::new();
    inject_current(&mut metadata);
    metadata.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Adds the current trace context to a call's metadata.
pub fn inject_current(metadata: &mut MetadataMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Metadata(metadata));
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) =
            (MetadataKey::from_bytes(key.as_bytes()), MetadataValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(key, value);
        }
    }
}

struct TraceParent<'a>(&'a str);

impl Extractor for TraceParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
