//! The trace context (W3C) as it crosses HTTP, gRPC and deferred calls.

use http::HeaderValue;
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes the span a child of the context in the headers. To be done before it is entered, or looked at.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    // Without a subscriber there is nothing to set it on.
    let _ = span.set_parent(parent);
}

/// Makes the span a child of a stored context, and links it to it: what it does was put off there.
pub(super) fn resume_trace(span: &Span, trace_parent: &str) {
    let parent = TraceContextPropagator::new().extract(&TraceParent(trace_parent));
    let context = parent.span().span_context().clone();
    let _ = span.set_parent(parent);
    if context.is_valid() {
        span.add_link(context);
    }
}

/// The place of a span in its trace; none outside of any trace.
fn place(span: &Span) -> Option<SpanContext> {
    let context = span.context();
    let place = context.span().span_context().clone();
    place.is_valid().then_some(place)
}

/// The trace id of a span, as 32 hex digits; none outside of any trace.
#[must_use]
pub fn trace_id_of(span: &Span) -> Option<String> {
    place(span).map(|place| place.trace_id().to_string())
}

/// What the answer of a span's request says of it (W3C Trace Context Level 2, `traceresponse`).
#[must_use]
pub fn trace_response(span: &Span) -> Option<HeaderValue> {
    let place = place(span)?;
    let flags = place.trace_flags().to_u8();
    HeaderValue::try_from(format!("00-{}-{}-{flags:02x}", place.trace_id(), place.span_id())).ok()
}

/// Gives a span the name that it turns out to have.
pub fn rename(span: &Span, name: &str) {
    span.record("otel.name", name);
    // The line above counts until the span has begun, this one after.
    span.context().span().update_name(name.to_owned());
}

/// Whether what happens now is recorded.
pub(super) fn is_recorded(span: &Span) -> bool {
    !span.is_none() && span.context().span().span_context().is_sampled()
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

/// Puts the context of this span into a call's headers, in place of what is there.
pub(super) fn inject(span: &Span, headers: &mut http::HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
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
