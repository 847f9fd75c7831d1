//! Traces: which are recorded, and how they reach the receiver.

use std::time::Duration;

use opentelemetry::{
    Array, Context, InstrumentationScope, StringValue, Value,
    trace::{SpanContext, Status, TraceState},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::InstrumentationScope as WireScope,
    trace::v1::{ResourceSpans, ScopeSpans},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor},
};

use super::{fields, otlp::Resources, pipeline::Queue, sampling::Sampling};
use crate::redact;

/// The most spans that wait for the receiver. Up to twice as many are held, since spans that are being sent are counted apart.
pub(super) const CAPACITY: usize = 8192;
/// Spans in one export.
pub(super) const BATCH: usize = 512;

/// The scope of our spans.
const SCOPE: &str = "levqor";

/// The provider of spans. With a queue it records as the sampler decides; without one it only gives ids.
pub(super) fn provider(queue: Option<(Queue<SpanData>, Sampling)>) -> SdkTracerProvider {
    // The destination writes the resource, since it knows the services of the process.
    match queue {
        None => SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build(),
        Some((queue, sampler)) => {
            SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(Enqueue(queue)).build()
        }
    }
}

/// The tracer of our spans.
pub(super) fn tracer(provider: &SdkTracerProvider) -> SdkTracer {
    use opentelemetry::trace::TracerProvider;
    let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
    provider.tracer_with_scope(scope)
}

#[derive(Debug)]
struct Enqueue(Queue<SpanData>);

impl SpanProcessor for Enqueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    // The guard flushes all pipelines at once.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Spans over OTLP.
pub(super) fn pack(resources: &Resources, mut spans: Vec<SpanData>) -> ExportTraceServiceRequest {
    spans.iter_mut().for_each(redact);
    let resource_spans = resources.split(spans, service).into_iter().map(|(resource, spans)| {
        let scope = WireScope {
            name: SCOPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        let spans = spans.into_iter().map(Into::into).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
        ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
}

fn service(span: &SpanData) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == "levqor.service");
    found.map(|attribute| attribute.value.as_str().into_owned())
}

/// Removes everything that may not leave from a span. It happens here and not where spans are made: it costs requests nothing,
/// and no code that makes spans can forget it.
fn redact(span: &mut SpanData) {
    span.attributes.retain(|attribute| fields::attribute_may_leave(attribute.key.as_str()));
    for attribute in &mut span.attributes {
        match &mut attribute.value {
            Value::String(text) => clean(text),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(clean),
            _ => {}
        }
    }
    if let std::borrow::Cow::Owned(name) = redact::text(&span.name) {
        span.name = name.into();
    }
    span.links.links.iter_mut().for_each(|link| link.span_context = without_state(&link.span_context));
    // Our events are log records. A span event here could only come from another library.
    span.events = opentelemetry_sdk::trace::SpanEvents::default();
    // The data of the caller's tools is propagated, but it is not ours to export.
    span.span_context = without_state(&span.span_context);
    if let Status::Error { .. } = span.status {
        span.status = Status::error("");
    }
}

fn without_state(place: &SpanContext) -> SpanContext {
    SpanContext::new(
        place.trace_id(),
        place.span_id(),
        place.trace_flags(),
        place.is_remote(),
        TraceState::NONE,
    )
}

fn clean(text: &mut StringValue) {
    if let std::borrow::Cow::Owned(cleaned) = redact::text(text.as_str()) {
        *text = cleaned.into();
    }
}
