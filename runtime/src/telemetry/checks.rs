//! Checks that telemetry arrives: one error report that is marked as a test, one span, one log record of that span, and one
//! gauge.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span::SpanKind},
};
use tonic::{Code, Status};

use super::{
    Otlp, TelemetryConfig,
    otlp::{Export, Receiver, Resources, text},
};
use crate::{
    check::{Check, Finding},
    clock::Clock,
    id,
};

/// The sender's name in the test telemetry.
const DOCTOR: &str = "doctor";
const WORDS: &str = "levqor doctor: this is a test";
const GAUGE: &str = "levqor.doctor.test";

impl TelemetryConfig {
    /// The checks of every configured export.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.sentry_check()];
        checks.extend(self.otlp_checks());
        checks
    }

    fn sentry_check(&self) -> Check {
        let name = "telemetry.sentry";
        let Some(reports) = self.error_reports() else {
            return Check::known(name, Finding::not_set("SENTRY_DSN", "the DSN of a Sentry project"));
        };
        let asked = format!("a test event to {}", reports.host());
        Check::new(name, asked, async move {
            match reports.test("levqor doctor", Clock::default().now()).await {
                Ok(id) => Finding::on(format!("200, event {id}")),
                Err(error) => Finding::failed(error.to_string()),
            }
        })
    }

    fn otlp_checks(&self) -> [Check; 3] {
        let names = ["telemetry.otlp_traces", "telemetry.otlp_logs", "telemetry.otlp_metrics"];
        let otlp = match &self.otlp {
            Ok(otlp) => otlp,
            Err(reason) => {
                let how = "set OTEL_EXPORTER_OTLP_ENDPOINT to an OTLP receiver, http://host:4317, and do not set OTEL_SDK_DISABLED";
                return names.map(|name| Check::known(name, Finding::off(*reason, how)));
            }
        };
        let host = otlp.endpoint.host().unwrap_or_default();
        let sample = Sample::new(Resources::new(self, DOCTOR).of(None));
        let trace = format!("OK, trace {}", hex::encode(&sample.trace_id));
        let [traces, logs, metrics] = names;
        [
            check(traces, format!("TraceService/Export of a span to {host}"), otlp, sample.span(), &trace),
            check(logs, format!("LogsService/Export of a record to {host}"), otlp, sample.record(), &trace),
            check(
                metrics,
                format!("MetricsService/Export of a gauge to {host}"),
                otlp,
                sample.metric(),
                &format!("OK, gauge {GAUGE}"),
            ),
        ]
    }
}

fn check(name: &str, asked: String, otlp: &Otlp, message: impl Export, found: &str) -> Check {
    let (otlp, found) = (otlp.clone(), found.to_owned());
    Check::new(name, asked, async move {
        match message.export(&Receiver::new(&otlp)).await {
            Ok(..=0) => Finding::on(found),
            Ok(_) => Finding::failed("the receiver rejected it"),
            Err(status) => Finding::failed(refused(&status)),
        }
    })
}

/// The test telemetry, with the ids to find it by.
struct Sample {
    resource: Resource,
    trace_id: Vec<u8>,
    nanos: u64,
}

impl Sample {
    fn new(resource: Resource) -> Self {
        let now = Clock::default().now();
        let nanos = now.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default();
        Self { resource, trace_id: id::uuid_at(now).into_bytes().to_vec(), nanos }
    }

    fn span_id(&self) -> Vec<u8> {
        self.trace_id.iter().rev().take(8).copied().collect()
    }

    fn span(&self) -> ExportTraceServiceRequest {
        let span = Span {
            trace_id: self.trace_id.clone(),
            span_id: self.span_id(),
            name: WORDS.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.nanos,
            end_time_unix_nano: self.nanos,
            ..Default::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..Default::default() };
        let resource = Some(self.resource.clone());
        let spans = ResourceSpans { resource, scope_spans: vec![scope], ..Default::default() };
        ExportTraceServiceRequest { resource_spans: vec![spans] }
    }

    fn record(&self) -> ExportLogsServiceRequest {
        let record = LogRecord {
            time_unix_nano: self.nanos,
            observed_time_unix_nano: self.nanos,
            severity_number: SeverityNumber::Info.into(),
            severity_text: "INFO".to_owned(),
            body: Some(text(WORDS)),
            trace_id: self.trace_id.clone(),
            span_id: self.span_id(),
            ..Default::default()
        };
        let scope = ScopeLogs { log_records: vec![record], ..Default::default() };
        let resource = Some(self.resource.clone());
        let logs = ResourceLogs { resource, scope_logs: vec![scope], ..Default::default() };
        ExportLogsServiceRequest { resource_logs: vec![logs] }
    }

    fn metric(&self) -> ExportMetricsServiceRequest {
        let value = Some(number_data_point::Value::AsInt(1));
        let point = NumberDataPoint { time_unix_nano: self.nanos, value, ..Default::default() };
        let metric = Metric {
            name: GAUGE.to_owned(),
            description: WORDS.to_owned(),
            unit: "1".to_owned(),
            data: Some(metric::Data::Gauge(Gauge { data_points: vec![point] })),
            ..Default::default()
        };
        let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let resource = Some(self.resource.clone());
        let metrics = ResourceMetrics { resource, scope_metrics: vec![scope], ..Default::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![metrics] }
    }
}

/// Hides the receiver's own text: it may quote the content of the request.
fn refused(status: &Status) -> String {
    // A status from the receiver has no source. A status with a source comes from our side of the connection.
    let ours = std::error::Error::source(status).is_some();
    let code = status.code();
    if code == Code::DeadlineExceeded || (ours && code == Code::Cancelled) {
        "no answer in time".to_owned()
    } else if ours {
        "no connection could be made, or it broke".to_owned()
    } else {
        format!("refused: {code:?}")
    }
}
