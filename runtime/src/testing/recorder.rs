//! A fake OTLP receiver and Sentry server in one. It keeps everything that it receives, and fails if a test says so.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, body::Bytes, http::StatusCode, response::IntoResponse, routing::post};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value},
    logs::v1::LogRecord,
    metrics::v1::{Metric, ResourceMetrics},
    resource::v1::Resource,
    trace::v1::Span,
};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

/// How the recorder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Behaviour {
    /// It accepts everything.
    Taking,
    /// It accepts and counts everything, and keeps nothing.
    Forgetting,
    /// It refuses everything with an error.
    Refusing,
    /// It accepts connections and never answers.
    Silent,
}

/// A span or log record, with the service that it came from.
#[derive(Debug, Clone)]
pub struct Recorded<T> {
    /// `service.name`
    pub service: String,
    /// The span or the log record.
    pub it: T,
}

/// Everything that the recorder received.
#[derive(Debug, Default)]
pub struct ReceivedTelemetry {
    /// Spans.
    pub spans: Vec<Recorded<Span>>,
    /// Log records.
    pub logs: Vec<Recorded<LogRecord>>,
    /// Metrics, export by export, service by service.
    pub metrics: Vec<ResourceMetrics>,
    /// The resource attributes of the last export of each signal (`traces`, `logs`, `metrics`), by service.
    pub resources: BTreeMap<(&'static str, String), Vec<KeyValue>>,
    /// Events of Sentry.
    pub events: Vec<Value>,
    /// Everything as text, for tests that search it for personal data and secrets.
    pub everything: String,
}

impl ReceivedTelemetry {
    /// The last export of a service's metrics.
    #[must_use]
    pub fn last_metrics(&self, of: &str) -> Option<&ResourceMetrics> {
        self.metrics.iter().rfind(|export| service(export.resource.as_ref()) == of)
    }

    /// A metric of that export.
    #[must_use]
    pub fn last_metric(&self, of: &str, name: &str) -> Option<&Metric> {
        let scopes = self.last_metrics(of)?.scope_metrics.iter();
        scopes.flat_map(|scope| &scope.metrics).find(|metric| metric.name == name)
    }

    fn hear<'r>(
        &mut self,
        signal: &'static str,
        request: &impl std::fmt::Debug,
        resources: impl Iterator<Item = Option<&'r Resource>>,
    ) {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(self.everything, "{request:?}");
        for resource in resources.flatten() {
            self.resources.insert((signal, service(Some(resource))), resource.attributes.clone());
        }
    }
}

/// The recorder, running on a thread of its own.
pub struct Recorder {
    addr: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

struct State {
    received: Mutex<ReceivedTelemetry>,
    behaviour: AtomicU8,
    calls: AtomicUsize,
    spans: AtomicUsize,
}

impl Recorder {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            received: Mutex::default(),
            behaviour: AtomicU8::new(Behaviour::Taking as u8),
            calls: AtomicUsize::new(0),
            spans: AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        let (served, stopped) = (Arc::clone(&state), stop.clone());
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = axum::serve(listener, routes(served)) => served.expect("it serves"),
                    () = stopped.cancelled() => {}
                }
            });
        });
        Self { addr, state, _stop: stop.drop_guard() }
    }

    /// Where OTLP goes.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The DSN of its one project.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("http://publickey@{}/1", self.addr)
    }

    /// Changes how the recorder answers.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state.behaviour.store(behaviour as u8, Ordering::SeqCst);
    }

    /// How often the recorder was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// How many spans the recorder received.
    #[must_use]
    pub fn spans(&self) -> usize {
        self.state.spans.load(Ordering::SeqCst)
    }

    /// Everything that the recorder has received so far.
    pub fn received(&self) -> MutexGuard<'_, ReceivedTelemetry> {
        self.state.received.lock().expect("received")
    }

    /// Waits until `look` finds something, a minute at most.
    pub fn until<T>(&self, what: &str, look: impl Fn(&ReceivedTelemetry) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(&self.received()) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "waited in vain for: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An attribute as text.
#[must_use]
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(value) => value.to_string(),
        other => format!("{other:?}"),
    })
}

fn routes(state: Arc<State>) -> Router {
    let mut otlp = tonic::service::Routes::builder();
    otlp.add_service(TraceServiceServer::new(Otlp(Arc::clone(&state))).max_decoding_message_size(64 << 20));
    otlp.add_service(LogsServiceServer::new(Otlp(Arc::clone(&state))).max_decoding_message_size(64 << 20));
    otlp.add_service(MetricsServiceServer::new(Otlp(Arc::clone(&state))).max_decoding_message_size(64 << 20));
    let envelope = post(move |body: Bytes| async move {
        if state.answer().await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let mut received = state.received.lock().expect("received");
        // An envelope is lines of JSON: its headers, then a header and a payload per item.
        let lines: Vec<_> =
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        let id = lines.first().and_then(|headers| headers.get("event_id")).cloned();
        received.events.extend(lines.into_iter().filter(|line| line.get("exception").is_some()));
        received.everything.push_str(&text);
        Json(json!({"id": id})).into_response()
    });
    otlp.routes().into_axum_router().route("/api/1/envelope/", envelope)
}

impl State {
    async fn answer(&self) -> Result<(), Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.behaviour.load(Ordering::SeqCst);
        if behaviour == Behaviour::Silent as u8 {
            std::future::pending::<()>().await;
        }
        if behaviour == Behaviour::Refusing as u8 { Err(Status::unavailable("not today")) } else { Ok(()) }
    }

    fn forgets(&self) -> bool {
        self.behaviour.load(Ordering::SeqCst) == Behaviour::Forgetting as u8
    }
}

struct Otlp(Arc<State>);

fn service(resource: Option<&Resource>) -> String {
    resource.and_then(|it| attribute(&it.attributes, "service.name")).unwrap_or_default()
}

#[tonic::async_trait]
impl TraceService for Otlp {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.answer().await?;
        let request = request.into_inner();
        let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        self.0.spans.fetch_add(spans.map(|scope| scope.spans.len()).sum(), Ordering::SeqCst);
        if self.0.forgets() {
            return Ok(Response::new(ExportTraceServiceResponse::default()));
        }
        let mut received = self.0.received.lock().expect("received");
        received.hear("traces", &request, request.resource_spans.iter().map(|it| it.resource.as_ref()));
        for resource in request.resource_spans {
            let service = service(resource.resource.as_ref());
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.spans.extend(spans.map(|it| Recorded { service: service.clone(), it }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Otlp {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.0.answer().await?;
        if self.0.forgets() {
            return Ok(Response::new(ExportLogsServiceResponse::default()));
        }
        let request = request.into_inner();
        let mut received = self.0.received.lock().expect("received");
        received.hear("logs", &request, request.resource_logs.iter().map(|it| it.resource.as_ref()));
        for resource in request.resource_logs {
            let service = service(resource.resource.as_ref());
            let logs = resource.scope_logs.into_iter().flat_map(|scope| scope.log_records);
            received.logs.extend(logs.map(|it| Recorded { service: service.clone(), it }));
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Otlp {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.answer().await?;
        if self.0.forgets() {
            return Ok(Response::new(ExportMetricsServiceResponse::default()));
        }
        let request = request.into_inner();
        let mut received = self.0.received.lock().expect("received");
        received.hear("metrics", &request, request.resource_metrics.iter().map(|it| it.resource.as_ref()));
        received.metrics.extend(request.resource_metrics);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
