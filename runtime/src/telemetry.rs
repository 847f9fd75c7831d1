//! What the process tells of itself: the log; traces, metrics and logs over OTLP; errors to Sentry; the only place that
//! initialises them.
//!
//! Trace context (W3C) crosses HTTP, gRPC and deferred calls; every line of the log within a request carries its trace
//! id. What may be told is decided in `fields` and `redact`, once for all of them.

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
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, join_all};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use config::{Otlp, TelemetryConfig};
pub(crate) use context::{carried, inject, place};
pub use context::{
    continue_trace, current_trace_parent, inject_current, passed_on, rename, trace_id_of, trace_response,
};
pub(crate) use fields::register;
pub use fields::{Fields, OF_CHASSIS};
pub(crate) use resource::resource;
pub use sampling::Port;
pub(crate) use spans::{
    DeferredCall, deferred_span, record_called, record_served, rpc_client_span, rpc_server_span,
    shared_statement_span,
};
pub use spans::{fail, http_client_span, record_http, resumed_span};
pub use test_report::{ErrorReports, NotArrived};

use self::{
    errors::{Sentry, ToSentry},
    fields::Value,
    layers::Told,
    logs::Format,
    metrics::{Due, Sources},
    otlp::{Receiver, Resources},
    pipeline::{Counts, Destination, Queue, pipeline},
    record::{Place, Record},
    sampling::Sampling,
};
use crate::{
    metrics::Metrics,
    redact,
    service::{Capability, CapabilityState},
};

/// How long the end of the process waits for what was not sent yet.
const FLUSH: Duration = Duration::from_secs(5);

/// Asks a queue to be sent off.
type Flush = Box<dyn Fn() -> mpsc::Receiver<()> + Send + Sync>;

fn flush<T: Send + 'static>(queue: &Queue<T>) -> Flush {
    let queue = queue.clone();
    Box::new(move || queue.flush())
}

/// Flushes when the process ends, whichever way it does.
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
    told: Arc<Told>,
    flushes: Vec<Flush>,
}

impl TelemetryGuard {
    /// Reports why the process ends, where it ends in failure. The words for people are written by `main`.
    pub fn report_end(&self, error: &anyhow::Error) {
        let fields = vec![
            ("reason", Value::Text("PROCESS_ENDED".to_owned())),
            ("error.message", Value::Text(redact::text(&error.to_string()).into_owned())),
            ("error", Value::Text(redact::error(error.as_ref()))),
        ];
        let record = Record::made("the process ends in failure", fields, Place::current());
        if let Some(sentry) = &self.told.sentry {
            sentry.hear(&record);
        }
        if let Some(logs) = &self.told.logs {
            logs.push(record);
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // Only marks it: spans that end from now on are not recorded. The error says that it was done before.
        let _ = self.provider.shutdown();
        // All are asked first and then waited for: one that hangs does not cost the others their time.
        let asked: Vec<_> = self.flushes.iter().map(|flush| flush()).collect();
        let until = Instant::now() + FLUSH;
        for done in asked {
            // What is not sent by then is lost, and the process ends all the same.
            let _ = done.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

/// What can be told, and where to.
struct Outlets {
    otlp: Capability,
    sentry: Capability,
    traces: Option<Queue<SpanData>>,
    logs: Option<Queue<Record>>,
    metrics: Option<Queue<Due>>,
    sources: Sources,
    errors: Option<Queue<sentry::Envelope>>,
}

static OUTLETS: OnceLock<Outlets> = OnceLock::new();

/// What the process can tell, and where to, for every status surface; with what is failing at this moment.
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

/// Exports these metrics too, from now until the process ends, if it exports.
pub(crate) fn export(metrics: &Metrics) {
    if let Some(outlets) = OUTLETS.get().filter(|outlets| outlets.metrics.is_some()) {
        outlets.sources.add(metrics);
    }
}

/// Whether there are traces that somebody could look up.
pub(crate) fn records_traces() -> bool {
    OUTLETS.get().is_some_and(|outlets| outlets.traces.is_some())
}

/// What became of what was exported, by signal; none of what is off.
pub(crate) fn exports() -> impl Iterator<Item = (&'static str, Counts)> {
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

/// Runs a process' work with telemetry: how it ends is reported, a panic is seen where it happens, and everything that
/// was told is sent before this returns, whichever way that is.
pub async fn run<T>(
    config: &TelemetryConfig,
    service: &'static str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let guard = init(config, service);
    panics::watch(Arc::clone(&guard.told));
    let outcome = work.await;
    if let Err(error) = &outcome {
        guard.report_end(error);
    }
    outcome
}

/// Installs telemetry for the process that this service names: `billing`, `gateway`, `up`. Of several calls the first
/// counts.
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
        // Nothing to run exporters on: the service itself is not worth less for it, and the status says so.
        let failed = |name| Capability::failed(name, format!("cannot export: {}", error.kind()));
        (outlets.traces, outlets.logs, outlets.metrics, outlets.errors) = (None, None, None, None);
        if config.otlp.is_ok() {
            outlets.otlp = failed("otlp");
        }
        if config.sentry.is_some() {
            outlets.sentry = failed("sentry");
        }
    }
    let mut flushes: Vec<Flush> = Vec::new();
    flushes.extend(outlets.traces.as_ref().map(flush));
    flushes.extend(outlets.logs.as_ref().map(flush));
    flushes.extend(outlets.errors.as_ref().map(flush));
    flushes.extend(outlets.metrics.clone().map(|metrics| -> Flush {
        Box::new(move || {
            // The last numbers, whenever the next export would have been.
            metrics.push_once(Due);
            metrics.flush()
        })
    }));
    let sampler = config.otlp.as_ref().ok().map(|otlp| {
        Sampling::new(otlp.sampler.root.clone(), otlp.sampler.parent_based, config.trusted.clone())
    });
    let provider = traces::provider(outlets.traces.clone().zip(sampler));
    let told = Arc::new(Told {
        format: Format::new(config.json),
        logs: outlets.logs.clone(),
        sentry: outlets.errors.clone().map(|queue| Sentry::new(queue, &config.environment, service)),
        dispatch: OnceLock::new(),
    });
    let _ = OUTLETS.set(outlets);
    install(config, &provider, &told);
    for ignored in &config.ignored {
        // What is expected, never what was given.
        tracing::warn!(
            setting = ignored.setting,
            failure = ignored.expected,
            "a setting is not understood, and its default holds"
        );
    }
    TelemetryGuard { provider, told, flushes }
}

fn install(config: &TelemetryConfig, provider: &SdkTracerProvider, told: &Arc<Told>) {
    // Events are log records with the trace's id, not events of spans: one place, one redaction.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces::tracer(provider))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    // Where nothing is exported, nobody listens to statements either.
    let statements =
        records_traces().then(|| statements::statements(traces::tracer(provider), Arc::clone(told)));
    let errors = told.sentry.is_some().then(|| layers::errors(Arc::clone(told)));
    // Fails only where a subscriber is installed already, as in a test binary.
    let _ = tracing_subscriber::registry()
        // Under one filter, since each looks every span up for itself.
        .with(layers::KeepFacts.and_then(spans).with_filter(layers::our_spans()))
        .with(layers::log(&config.filter, Arc::clone(told)))
        .with(errors)
        .with(statements)
        .try_init();
}

/// Opens what is configured, on a thread of its own: it works while the process starts, while it is busy, and while it
/// ends.
fn open(outlets: &mut Outlets, config: &TelemetryConfig, service: &'static str) -> io::Result<()> {
    if config.otlp.is_err() && config.sentry.is_none() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut workers: Vec<BoxFuture<'static, ()>> = Vec::new();
    {
        // Clients bind to the runtime that they are made in.
        let _entered = runtime.enter();
        if let Ok(otlp) = &config.otlp {
            let receiver = Receiver::new(otlp);
            let resources = || Resources::new(config, service);
            let traces = traces::ToReceiver { receiver: receiver.clone(), resources: resources() };
            outlets.traces = Some(start(&mut workers, traces, traces::CAPACITY, traces::BATCH));
            let logs = logs::ToReceiver { receiver: receiver.clone(), resources: resources() };
            outlets.logs = Some(start(&mut workers, logs, logs::CAPACITY, logs::BATCH));
            let metrics = metrics::ToReceiver::new(receiver, outlets.sources.clone());
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
