//! Telemetry of the process: the log; traces, metrics and logs over OTLP; errors to Sentry. Only this file initialises them.
//!
//! Trace context (W3C) crosses HTTP, gRPC and deferred calls. Every log line within a request carries its trace id. `fields` and
//! `redact` decide for all outputs what may leave the process.

mod checks;
mod config;
mod context;
mod errors;
mod fields;
mod layers;
mod logs;
mod metrics;
mod otlp;
mod panics;
mod pipeline;
mod process;
mod record;
mod resource;
mod sampling;
mod spans;
mod statements;
mod test_report;
mod trace_context;
mod traces;

use std::{
    io,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, join_all};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use config::{Otlp, TelemetryConfig};
pub(crate) use context::carried;
pub use context::{
    continue_trace, current_trace_parent, inject, passed_on, rename, trace_id_of, trace_response,
};
pub(crate) use fields::register;
pub use fields::{Fields, OF_CHASSIS};
pub use sampling::Port;
pub(crate) use spans::{
    deferred_span, record_called, record_served, rpc_client_span, rpc_server_span, shared_statement_span,
};
pub use spans::{fail, http_client_span, record_http, resumed_span};
pub use test_report::{ErrorReports, NotArrived};

use self::{
    errors::{Sentry, ToSentry},
    fields::Value,
    layers::Sinks,
    logs::Format,
    metrics::{Due, Sources},
    otlp::{Receiver, Resources, ToReceiver},
    pipeline::{Counts, Destination, Queue, pipeline},
    record::{Origin, Record},
    sampling::Sampling,
};
use crate::{
    capability::{Capability, CapabilityState},
    metrics::{Metrics, find_traces},
    redact,
};

/// How long the end of the process waits for unsent telemetry.
const FLUSH: Duration = Duration::from_secs(5);

/// Flushes when the process ends, also on the error path.
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
    sinks: Arc<Sinks>,
    outlets: Arc<Outlets>,
}

impl TelemetryGuard {
    /// Reports the error that ends the process. `main` writes the text for people.
    pub fn report_end(&self, error: &anyhow::Error) {
        let fields = vec![
            ("reason", Value::Text("PROCESS_ENDED".to_owned())),
            ("error.message", Value::Text(redact::text(&error.to_string()).into_owned())),
            ("error", Value::Text(redact::error(error.as_ref()))),
        ];
        let record = Record::made("the process ends in failure", fields, Origin::current());
        if let Some(sentry) = &self.sinks.sentry {
            sentry.hear(&record);
        }
        if let Some(logs) = &self.sinks.logs {
            logs.push(record);
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // This only marks the provider: spans that end from now on are not recorded. It fails only if it was marked before.
        let _ = self.provider.shutdown();
        let Outlets { traces, logs, metrics, errors, .. } = &*self.outlets;
        // Requests all flushes first and then waits, so that one slow destination does not take time from the others.
        let asked = [
            traces.as_ref().map(Queue::flush),
            logs.as_ref().map(Queue::flush),
            errors.as_ref().map(Queue::flush),
            metrics.as_ref().map(|metrics| {
                // Exports the last values now, without waiting for the next interval.
                metrics.push_once(Due);
                metrics.flush()
            }),
        ];
        let until = Instant::now() + FLUSH;
        for done in asked.into_iter().flatten() {
            // Telemetry that is unsent after this time is lost; the process ends anyway.
            let _ = done.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

/// The configured destinations.
struct Outlets {
    otlp: Capability,
    sentry: Capability,
    traces: Option<Queue<SpanData>>,
    logs: Option<Queue<Record>>,
    metrics: Option<Queue<Due>>,
    sources: Sources,
    errors: Option<Queue<sentry::Envelope>>,
}

static OUTLETS: OnceLock<Arc<Outlets>> = OnceLock::new();

/// The telemetry capabilities of the process for every status surface, with current failures.
#[must_use]
pub fn capabilities() -> Vec<Capability> {
    let Some(outlets) = OUTLETS.get() else {
        return ["otlp", "sentry"].map(|name| Capability::off(name, "telemetry was not initialised")).into();
    };
    let (mut otlp, mut sentry) = (outlets.otlp.clone(), outlets.sentry.clone());
    let add = |capability: &mut Capability, what: &str, trouble: Option<String>| {
        if let Some(trouble) = trouble {
            capability.state = CapabilityState::Failed;
            capability.reason = format!("{}; {what} {trouble}", capability.reason);
        }
    };
    add(&mut otlp, "traces", outlets.traces.as_ref().and_then(Queue::trouble));
    add(&mut otlp, "logs", outlets.logs.as_ref().and_then(Queue::trouble));
    add(&mut otlp, "metrics", outlets.metrics.as_ref().and_then(Queue::trouble));
    add(&mut sentry, "errors", outlets.errors.as_ref().and_then(Queue::trouble));
    vec![otlp, sentry]
}

/// Exports these metrics too, from now until the process ends, if export is on.
fn export(metrics: &Metrics) {
    if let Some(outlets) = OUTLETS.get().filter(|outlets| outlets.metrics.is_some()) {
        outlets.sources.add(metrics);
    }
}

/// The export counts by signal; a signal that is off has none.
fn exports() -> impl Iterator<Item = (&'static str, Counts)> {
    let counts = OUTLETS.get().map(|outlets| {
        [
            ("traces", outlets.traces.as_ref().map(Queue::counts)),
            ("logs", outlets.logs.as_ref().map(Queue::counts)),
            ("metrics", outlets.metrics.as_ref().map(Queue::counts)),
            ("errors", outlets.errors.as_ref().map(Queue::counts)),
        ]
    });
    counts.into_iter().flatten().filter_map(|(signal, counts)| Some((signal, counts?)))
}

/// Runs a process with telemetry: it reports how the process ends, records panics where they happen, and flushes before it
/// returns, also on the error path.
pub async fn run<T>(
    config: &TelemetryConfig,
    service: &'static str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let guard = init(config, service);
    panics::watch(Arc::clone(&guard.sinks));
    let outcome = work.await;
    if let Err(error) = &outcome {
        guard.report_end(error);
    }
    outcome
}

/// Installs telemetry for a process of this name: a service, `gateway`, `up`. Only the first call counts.
#[must_use]
pub fn init(config: &TelemetryConfig, service: &'static str) -> TelemetryGuard {
    let mut outlets = Outlets {
        otlp: Capability::off("otlp", config.otlp.as_ref().err().copied().unwrap_or_default()),
        sentry: Capability::off("sentry", "SENTRY_DSN is not set"),
        traces: None,
        logs: None,
        metrics: None,
        sources: Sources::default(),
        errors: None,
    };
    if let Err(error) = open(&mut outlets, config, service) {
        // Without a thread for the exporters the service still works, and the status shows the failure.
        let failed = |name| Capability::failed(name, format!("cannot export: {}", error.kind()));
        (outlets.traces, outlets.logs, outlets.metrics, outlets.errors) = (None, None, None, None);
        if config.otlp.is_ok() {
            outlets.otlp = failed("otlp");
        }
        if config.sentry.is_some() {
            outlets.sentry = failed("sentry");
        }
    }
    let outlets = Arc::new(outlets);
    let sampler = config.otlp.as_ref().ok().map(|otlp| {
        Sampling::new(otlp.sampler.root.clone(), otlp.sampler.parent_based, config.trusted.clone())
    });
    let provider = traces::provider(outlets.traces.clone().zip(sampler));
    let sinks = Arc::new(Sinks {
        format: Format::new(config),
        logs: outlets.logs.clone(),
        sentry: outlets.errors.clone().map(|queue| Sentry::new(queue, &config.environment, service)),
        dispatch: OnceLock::new(),
    });
    let _ = OUTLETS.set(Arc::clone(&outlets));
    install(config, &provider, &sinks);
    for ignored in &config.ignored {
        // Logs the expected form, never the given value.
        tracing::warn!(
            setting = ignored.setting,
            failure = ignored.expected,
            "a setting is not understood, and its default holds"
        );
    }
    TelemetryGuard { provider, sinks, outlets }
}

fn install(config: &TelemetryConfig, provider: &SdkTracerProvider, sinks: &Arc<Sinks>) {
    let exports_traces = OUTLETS.get().is_some_and(|outlets| outlets.traces.is_some());
    if exports_traces {
        find_traces(context::place);
    }
    // Events are log records with the trace's id, not span events, so that one place redacts them.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces::tracer(provider))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    // Without an export, no layer listens to statements.
    let statements =
        exports_traces.then(|| statements::statements(traces::tracer(provider), Arc::clone(sinks)));
    let errors = sinks.sentry.is_some().then(|| layers::errors(Arc::clone(sinks)));
    // Fails only where a subscriber is already installed, as in a test binary.
    let _ = tracing_subscriber::registry()
        // Both layers share one filter, since each filter looks up every span.
        .with(layers::KeepFacts.and_then(spans).with_filter(layers::our_spans()))
        .with(layers::log(&config.filter, Arc::clone(sinks)))
        .with(errors)
        .with(statements)
        .try_init();
}

/// Starts the configured exporters on their own thread, so that they work while the process starts, is busy, and ends.
fn open(outlets: &mut Outlets, config: &TelemetryConfig, service: &'static str) -> io::Result<()> {
    if config.otlp.is_err() && config.sentry.is_none() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut workers: Vec<BoxFuture<'static, ()>> = Vec::new();
    {
        // Clients bind to the runtime in which they are created.
        let _entered = runtime.enter();
        if let Ok(otlp) = &config.otlp {
            let receiver = Receiver::new(otlp);
            let resources = Resources::new(config, service);
            let of = resources.clone();
            let traces = ToReceiver::new("traces", &receiver, move |spans| Some(traces::pack(&of, spans)));
            outlets.traces = Some(start(&mut workers, traces, traces::CAPACITY, traces::BATCH));
            let logs =
                ToReceiver::new("logs", &receiver, move |records| Some(logs::pack(&resources, records)));
            outlets.logs = Some(start(&mut workers, logs, logs::CAPACITY, logs::BATCH));
            let metrics = ToReceiver::new("metrics", &receiver, metrics::pack(outlets.sources.clone()));
            let metrics = start(&mut workers, metrics, metrics::CAPACITY, metrics::BATCH);
            workers.push(Box::pin(metrics::ask(metrics.clone(), otlp.metric_interval)));
            outlets.metrics = Some(metrics);
            let to = otlp.endpoint.authority().map(ToString::to_string).unwrap_or_default();
            outlets.otlp = Capability::on("otlp", format!("traces, metrics and logs to {to}"));
        }
        if let Some(dsn) = &config.sentry {
            match ToSentry::try_new(dsn) {
                Ok(sentry) => {
                    outlets.errors = Some(start(&mut workers, sentry, errors::CAPACITY, errors::BATCH));
                    let to = format!("errors to {}, project {}", dsn.0.host(), dsn.0.project_id());
                    outlets.sentry = Capability::on("sentry", to);
                }
                Err(error) => outlets.sentry = Capability::failed("sentry", redact::error(&error)),
            }
        }
    }
    let work = move || {
        runtime.block_on(join_all(workers));
    };
    thread::Builder::new().name("levqor-telemetry".to_owned()).spawn(work)?;
    Ok(())
}

fn start<D: Destination + Sync>(
    workers: &mut Vec<BoxFuture<'static, ()>>,
    destination: D,
    capacity: usize,
    batch: usize,
) -> Queue<D::Item> {
    let (queue, worker) = pipeline(destination, capacity, batch);
    workers.push(Box::pin(worker.run()));
    queue
}
