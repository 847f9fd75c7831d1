//! The log and the trace context: the only file that initialises them.
//!
//! Trace context (W3C) crosses HTTP, gRPC and deferred calls; every line of the log within a request carries its trace
//! id. Spans are not exported by this version, and no failure leaves the process but by the log.

use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Reader, Setting};

const LOG: Setting = Setting::plain(
    "LEVQOR_LOG",
    Some("info"),
    "What is logged, in the syntax of tracing-subscriber's EnvFilter: `info`, `warn,levqor_billing=debug`.",
);
const LOG_FORMAT: Setting = Setting::plain(
    "LEVQOR_LOG_FORMAT",
    Some("text"),
    "How it is logged: `text` for people, `json` for machines.",
);

/// How the process logs.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    filter: String,
    json: bool,
}

impl TelemetryConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![LOG, LOG_FORMAT]
    }

    /// Reads the settings. None only with a problem noted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let filter: Option<String> = reader.defaulted(&LOG, "an EnvFilter");
        if let Some(filter) = &filter
            && EnvFilter::try_new(filter).is_err()
        {
            reader.problem(&LOG, "expected an EnvFilter such as `info` or `warn,levqor_billing=debug`");
        }
        let format: Option<String> = reader.defaulted(&LOG_FORMAT, "`text` or `json`");
        if let Some(format) = &format
            && format != "text"
            && format != "json"
        {
            reader.problem(&LOG_FORMAT, "expected `text` or `json`");
        }
        Some(Self { filter: filter?, json: format? == "json" })
    }
}

/// Flushes when the process ends.
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // Nothing is exported, so nothing can be lost here; the error says only that it was shut down before.
        let _ = self.provider.shutdown();
    }
}

/// Installs the log and the trace context for the process. A second call changes nothing.
#[must_use]
pub fn init(config: &TelemetryConfig) -> TelemetryGuard {
    // Trace ids are made and passed on; nothing is recorded, since nothing is exported.
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let context = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("levqor"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let format = if config.json {
        format.json().with_current_span(true).with_span_list(false).flatten_event(true).boxed()
    } else {
        format.with_target(false).boxed()
    };
    let context =
        context.with_filter(EnvFilter::new("info,h2=off,hyper=off,hyper_util=off,tonic=off,tower=off"));
    // Fails only where a subscriber is installed already, as in a test binary.
    let _ = tracing_subscriber::registry().with(context).with(format.with_filter(filter)).try_init();
    TelemetryGuard { provider }
}

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
