//! The trace context (W3C) across HTTP, gRPC and deferred calls.

use http::HeaderValue;
use opentelemetry::{
    Context, TraceFlags,
    trace::{SpanContext, TraceContextExt},
};
use tracing::{Dispatch, Span, span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Registry, registry::LookupSpan};

use super::{
    sampling::Port,
    trace_context::{self, TRACE_PARENT, TRACE_STATE},
};

/// Makes the span a child of the context in the headers of a request to this port. Call it before the span is entered or its
/// context is read.
pub fn continue_trace(span: &Span, headers: &http::HeaderMap, port: Port) {
    if let Some(place) = trace_context::of_headers(headers) {
        // Without a subscriber the span has no context to set.
        let _ = span.set_parent(Context::new().with_remote_span_context(place).with_value(port));
    }
}

/// The headers that continue a trace if nothing is traced here: the caller's own, if they are valid.
pub fn passed_on(headers: &http::HeaderMap) -> impl Iterator<Item = (&'static str, HeaderValue)> {
    let place = trace_context::of_headers(headers);
    // The span stays the caller's, since we make none.
    let carried = place.into_iter().flat_map(|place| carried_of(&place));
    carried.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
}

/// Makes the span a child of a stored context, and links it to that context, because the work was deferred there.
pub(super) fn resume_trace(span: &Span, trace_parent: &str) {
    if let Some(place) = trace_context::of_text(trace_parent) {
        let _ = span.set_parent(Context::new().with_remote_span_context(place.clone()));
        span.add_link(place);
    }
}

/// The context of a span; none outside of any trace.
pub(super) fn place(span: &Span) -> Option<SpanContext> {
    span.with_subscriber(|(id, dispatch)| place_of(id, dispatch)).flatten()
}

/// The same, for a span by its id. It is cached with the span: it never changes after the first read, every request reads it
/// several times, and OpenTelemetry's layer computes it again each time.
pub(super) fn place_of(id: &span::Id, dispatch: &Dispatch) -> Option<SpanContext> {
    let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
    if let Some(kept) = span.extensions().get::<SpanContext>() {
        return Some(kept.clone());
    }
    let context = tracing_opentelemetry::get_otel_context(id, dispatch)?;
    let place = context.span().span_context().clone();
    if !place.is_valid() {
        return None;
    }
    span.extensions_mut().replace(place.clone());
    Some(place)
}

/// The trace id of a span, as 32 hex digits; none outside of any trace.
#[must_use]
pub fn trace_id_of(span: &Span) -> Option<String> {
    place(span).map(|place| place.trace_id().to_string())
}

/// The `traceresponse` header of the span's answer (W3C Trace Context Level 2).
#[must_use]
pub fn trace_response(span: &Span) -> Option<HeaderValue> {
    HeaderValue::try_from(trace_parent(&place(span)?)).ok()
}

/// Changes the name of a span after its start.
pub fn rename(span: &Span, name: impl FnOnce() -> String) {
    // Once its context was read a span has started, and its fields no longer set the name.
    if is_recorded(span) {
        span.context().span().update_name(name());
    }
}

/// Whether this span is recorded.
pub(super) fn is_recorded(span: &Span) -> bool {
    place(span).is_some_and(|place| place.is_sampled())
}

/// The current trace context as a `traceparent`, to be stored with work; empty outside of any trace.
#[must_use]
pub fn current_trace_parent() -> String {
    place(&Span::current()).map(|place| trace_parent(&place)).unwrap_or_default()
}

/// The headers that carry the current trace context to the callee.
pub(crate) fn carried() -> impl Iterator<Item = (&'static str, String)> {
    place(&Span::current()).into_iter().flat_map(|place| carried_of(&place))
}

/// Writes the context of this span into a call's headers and replaces the existing one.
pub fn inject(span: &Span, headers: &mut http::HeaderMap) {
    let Some(place) = place(span) else { return };
    for (name, value) in carried_of(&place) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// The headers that carry this context to the callee.
fn carried_of(place: &SpanContext) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let state = Some(place.trace_state().header()).filter(|state| !state.is_empty());
    std::iter::once((TRACE_PARENT, trace_parent(place))).chain(state.map(|state| (TRACE_STATE, state)))
}

/// The context as a `traceparent` (W3C Trace Context, 3.2): version, trace, span and flags in hex.
fn trace_parent(place: &SpanContext) -> String {
    let flags = (place.trace_flags() & TraceFlags::SAMPLED).to_u8();
    format!("00-{:032x}-{:016x}-{flags:02x}", place.trace_id(), place.span_id())
}
