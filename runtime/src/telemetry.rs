//! What the process tells of itself: the log, traces and logs over OTLP, errors to Sentry; the only place that
//! initialises them.
//!
//! Trace context (W3C) crosses HTTP, gRPC and deferred calls; every line of the log within a request carries its trace
//! id.

mod config;
mod resource;
mod spans;
mod test_report;

use std::sync::OnceLock;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use config::{Otlp, TelemetryConfig};
pub(crate) use resource::resource;
pub use spans::{continue_trace, current_trace_parent, inject_current, resumed_span, trace_id_of};
pub(crate) use spans::{deferred_span, rpc_server_span};
pub use test_report::{ErrorReports, NotArrived};

use crate::service::Capability;

/// Flushes when the process ends, whichever way it does.
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // Nothing is exported, so nothing can be lost here; the error says only that it was shut down before.
        let _ = self.provider.shutdown();
    }
}

static CAPABILITIES: OnceLock<Vec<Capability>> = OnceLock::new();

/// What the process can tell, and where to; for every status surface.
#[must_use]
pub fn capabilities() -> Vec<Capability> {
    let off = |name| Capability::off(name, "telemetry was not initialised");
    CAPABILITIES.get().cloned().unwrap_or_else(|| vec![off("otlp"), off("sentry")])
}

/// Installs telemetry for the process that this service names: `billing`, `gateway`, `up`. A second call changes nothing.
#[must_use]
pub fn init(config: &TelemetryConfig, service: &'static str) -> TelemetryGuard {
    // Trace ids are made and passed on; nothing is recorded, since nothing is exported.
    let resource = resource(config, service);
    let provider =
        SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).with_resource(resource).build();
    let reason = match &config.sentry {
        None => "SENTRY_DSN is not set".to_owned(),
        Some(dsn) => format!("not built yet; {} would be told", dsn.0.host()),
    };
    let _ = CAPABILITIES.set(vec![
        Capability::off("otlp", config.otlp.as_ref().err().map_or("not built yet", |reason| *reason)),
        Capability::off("sentry", reason),
    ]);
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
