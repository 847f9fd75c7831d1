//! Checks that telemetry arrives: one error report that is marked as a test, one span, one log record of that span, and one
//! gauge.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
        metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
        trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span::SpanKind},
};
use tonic::{Code, Status};

use super::{
    TelemetryConfig,
    otlp::{Receiver, Resources, text},
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
            Ok(otlp) => otlp.clone(),
            Err(reason) => {
                let how = "set OTEL_EXPORTER_OTLP_ENDPOINT to an OTLP receiver, http://host:4317, and do not set OTEL_SDK_DISABLED";
                return names.map(|name| Check::known(name, Finding::off(*reason, how)));
            }
        };
        let host = otlp.endpoint.host().unwrap_or_default();
        let sample = Sample::new(Resources::new(self, DOCTOR).of(None));
        let (span, record, metric) = (sample.clone(), sample.clone(), sample);
        let (for_span, for_record, for_metric) = (otlp.clone(), otlp.clone(), otlp.clone());
        let [traces, logs, metrics] = names;
        [
            Check::new(traces, format!("TraceService/Export of a span to {host}"), async move {
                span.export_span(&Receiver::new(&for_span)).await.into()
            }),
            Check::new(logs, format!("LogsService/Export of a record to {host}"), async move {
                record.export_record(&Receiver::new(&for_record)).await.into()
            }),
            Check::new(metrics, format!("MetricsService/Export of a gauge to {host}"), async move {
                metric.export_metric(&Receiver::new(&for_metric)).await.into()
            }),
        ]
    }
}

/// The test telemetry, with the ids to find it by.
#[derive(Clone)]
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

    /// The result of an answer: the number of rejected items, where the receiver reports it.
    fn taken(&self, rejected: Option<i64>) -> Result<String, String> {
        taken(rejected).map(|()| format!("OK, trace {}", hex::encode(&self.trace_id)))
    }

    async fn export_span(self, receiver: &Receiver) -> Result<String, String> {
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
        let request = receiver.request(ExportTraceServiceRequest { resource_spans: vec![spans] });
        let answer = TraceServiceClient::new(receiver.channel.clone()).export(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        self.taken(answer.partial_success.map(|partial| partial.rejected_spans))
    }

    async fn export_record(self, receiver: &Receiver) -> Result<String, String> {
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
        let request = receiver.request(ExportLogsServiceRequest { resource_logs: vec![logs] });
        let answer = LogsServiceClient::new(receiver.channel.clone()).export(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        self.taken(answer.partial_success.map(|partial| partial.rejected_log_records))
    }

    async fn export_metric(self, receiver: &Receiver) -> Result<String, String> {
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
        let request = receiver.request(ExportMetricsServiceRequest { resource_metrics: vec![metrics] });
        let answer = MetricsServiceClient::new(receiver.channel.clone()).export(request).await;
        let answer = answer.map_err(|status| refused(&status))?.into_inner();
        taken(answer.partial_success.map(|partial| partial.rejected_data_points))?;
        Ok(format!("OK, gauge {GAUGE}"))
    }
}

fn taken(rejected: Option<i64>) -> Result<(), String> {
    match rejected {
        Some(1..) => Err("the receiver rejected it".to_owned()),
        _ => Ok(()),
    }
}

/// Hides the receiver's own text: it may quote what was sent with the request.
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
