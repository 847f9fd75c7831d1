//! The log: to standard error for people or machines, and as log records over OTLP.

use std::io::{IsTerminal, Write};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
    common::v1::{AnyValue, InstrumentationScope, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
};
use serde_json::{Map, Value as Json};
use tracing::Level;

use super::{
    fields::Value,
    otlp::{Receiver, Resources, pair, refusal, text},
    pipeline::{Destination, Refusal},
    record::Record,
};

/// Log records that wait for the receiver.
pub(super) const CAPACITY: usize = 4096;
/// Log records in one export.
pub(super) const BATCH: usize = 512;

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    /// For machines.
    Json,
    /// For people; in colours on a terminal.
    Text { colours: bool },
}

impl Format {
    pub(super) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text { colours: std::io::stderr().is_terminal() } }
    }

    /// Writes one line to standard error. A log that cannot be written has nobody to tell.
    pub(super) fn write(self, record: &Record) {
        let mut line = match self {
            Self::Json => json_line(record),
            Self::Text { colours } => text_line(record, colours),
        };
        line.push('\n');
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// What a line says of where it was written, by name.
fn whereabouts(record: &Record) -> impl Iterator<Item = (&'static str, String)> {
    let place = &record.place;
    let facts = [
        ("levqor.service", place.facts.service.clone()),
        ("operation", place.facts.operation.clone()),
        ("request.id", place.facts.request_id.clone()),
        ("trace_id", place.trace_id()),
        ("span_id", place.span_id()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

fn time(record: &Record) -> String {
    record.time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn json_line(record: &Record) -> String {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), time(record).into());
    line.insert("level".to_owned(), record.level.as_str().into());
    line.insert("message".to_owned(), record.message.clone().into());
    for (name, value) in &record.fields {
        let value = match value {
            Value::Text(text) => Json::from(text.clone()),
            Value::Integer(number) => Json::from(*number),
            Value::Number(number) => Json::from(*number),
            Value::Bool(value) => Json::from(*value),
        };
        line.insert((*name).to_owned(), value);
    }
    for (name, value) in whereabouts(record) {
        line.insert(name.to_owned(), value.into());
    }
    line.insert("target".to_owned(), record.target.into());
    Json::Object(line).to_string()
}

fn text_line(record: &Record, colours: bool) -> String {
    use std::fmt::Write;
    let colour = match record.level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    };
    let (on, off) = if colours { (colour, "\x1b[0m") } else { ("", "") };
    let mut line = format!("{} {on}{:>5}{off} {}", time(record), record.level.as_str(), record.message);
    // Writing to a string cannot fail.
    for (name, value) in &record.fields {
        let _ = match value {
            Value::Text(text) => write!(line, " {name}={}", one_line(text)),
            Value::Integer(number) => write!(line, " {name}={number}"),
            Value::Number(number) => write!(line, " {name}={number}"),
            Value::Bool(value) => write!(line, " {name}={value}"),
        };
    }
    for (name, value) in whereabouts(record) {
        let _ = write!(line, " {name}={}", one_line(&value));
    }
    line
}

/// A text that cannot be mistaken for two: quoted where it is more than a word, and never with a line break.
fn one_line(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
    if plain { text.to_owned() } else { format!("{text:?}") }
}

/// Log records over OTLP.
pub(super) struct ToReceiver {
    pub(super) receiver: Receiver,
    pub(super) resources: Resources,
}

impl Destination for ToReceiver {
    type Item = Record;
    type Parcel = ExportLogsServiceRequest;

    fn name(&self) -> &'static str {
        "logs"
    }

    fn pack(&self, records: Vec<Record>) -> Vec<ExportLogsServiceRequest> {
        let split = self.resources.split(records, |record| {
            record.place.facts.service.clone().or_else(|| record.text("service").map(str::to_owned))
        });
        let resource_logs = split.into_iter().map(|(resource, records)| {
            let scope = InstrumentationScope { name: "levqor".to_owned(), ..Default::default() };
            let log_records = records.into_iter().map(log_record).collect();
            let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..Default::default() }];
            ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }
        });
        vec![ExportLogsServiceRequest { resource_logs: resource_logs.collect() }]
    }

    async fn send(&mut self, parcel: ExportLogsServiceRequest) -> Result<(), Refusal> {
        let mut client = LogsServiceClient::new(self.receiver.channel.clone());
        let answer = client.export(self.receiver.request(parcel)).await;
        let partial = answer.map_err(|status| refusal(&status))?.into_inner().partial_success;
        match partial.filter(|partial| partial.rejected_log_records > 0) {
            None => Ok(()),
            Some(_) => Err(Refusal { reason: "some were rejected".to_owned(), retry: None }),
        }
    }
}

fn log_record(record: Record) -> LogRecord {
    let severity = match record.level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    };
    let facts = &record.place.facts;
    let known = [("operation", &facts.operation), ("request.id", &facts.request_id)];
    let known = known.into_iter().filter_map(|(name, value)| Some(pair(name, text(value.clone()?))));
    let told = record.fields.iter().map(|(name, value)| pair(name, any(value)));
    let target = pair("code.namespace", text(record.target));
    let nanos = u64::try_from(record.time.timestamp_nanos_opt().unwrap_or_default()).unwrap_or_default();
    let span = record.place.span.as_ref();
    LogRecord {
        time_unix_nano: nanos,
        observed_time_unix_nano: nanos,
        severity_number: severity.into(),
        severity_text: record.level.as_str().to_owned(),
        attributes: told.chain(known).chain([target]).collect(),
        trace_id: span.map(|span| span.trace_id().to_bytes().to_vec()).unwrap_or_default(),
        span_id: span.map(|span| span.span_id().to_bytes().to_vec()).unwrap_or_default(),
        flags: span.map(|span| u32::from(span.trace_flags().to_u8())).unwrap_or_default(),
        body: Some(text(record.message)),
        ..Default::default()
    }
}

fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text.clone()),
        Value::Integer(number) => any_value::Value::IntValue(*number),
        Value::Number(number) => any_value::Value::DoubleValue(*number),
        Value::Bool(value) => any_value::Value::BoolValue(*value),
    };
    AnyValue { value: Some(value) }
}
