//! The log: to standard error for people or machines, and as log records over OTLP.

use std::io::{IsTerminal, Write};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
};
use serde_json::{Map, Value as Json};
use tracing::Level;

use super::{
    TelemetryConfig,
    fields::Value,
    otlp::{Resources, pair, text},
    record::Record,
};

/// The most log records that wait for the receiver.
pub(super) const CAPACITY: usize = 4096;
/// Log records in one export.
pub(super) const BATCH: usize = 512;

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Format {
    /// JSON for machines; otherwise text for people.
    json: bool,
    /// With colours, for people on a terminal.
    colours: bool,
    /// With the text of all other libraries.
    all_words: bool,
}

impl Format {
    /// Reads the configuration. In development the operator sees the text of every library. Elsewhere that text could be about
    /// another person.
    pub(super) fn new(config: &TelemetryConfig) -> Self {
        let all_words = config.environment == "development";
        Self { json: config.json, colours: !config.json && std::io::stderr().is_terminal(), all_words }
    }

    /// Writes one line to standard error. A write that fails cannot be reported.
    pub(super) fn write(self, record: &Record) {
        let mut line = self.line(record);
        line.push('\n');
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn line(self, record: &Record) -> String {
        let left_out = record.left_out.as_ref().filter(|_| self.all_words);
        let message = left_out.unwrap_or(&record.message);
        if self.json { json_line(record, message) } else { text_line(record, message, self.colours) }
    }
}

/// The origin of a line, by field name.
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

fn json_line(record: &Record, message: &str) -> String {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), time(record).into());
    line.insert("level".to_owned(), record.level.as_str().into());
    line.insert("message".to_owned(), message.into());
    for (name, value) in &record.fields {
        line.insert((*name).to_owned(), value.into());
    }
    for (name, value) in whereabouts(record) {
        line.insert(name.to_owned(), value.into());
    }
    line.insert("target".to_owned(), record.target.into());
    Json::Object(line).to_string()
}

fn text_line(record: &Record, message: &str, colours: bool) -> String {
    use std::fmt::Write;
    let colour = match record.level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    };
    let (on, off) = if colours { (colour, "\x1b[0m") } else { ("", "") };
    let mut line = format!("{} {on}{:>5}{off} {message}", time(record), record.level.as_str());
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

/// Text that is clearly one value: quoted if it is more than one word, and never with a line break.
fn one_line(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
    if plain { text.to_owned() } else { format!("{text:?}") }
}

/// Log records over OTLP.
pub(super) fn pack(resources: &Resources, records: Vec<Record>) -> ExportLogsServiceRequest {
    let split = resources.split(records, |record| {
        record.place.facts.service.clone().or_else(|| record.text("service").map(str::to_owned))
    });
    let resource_logs = split.into_iter().map(|(resource, records)| {
        let scope = InstrumentationScope { name: "levqor".to_owned(), ..Default::default() };
        let log_records = records.into_iter().map(log_record).collect();
        let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..Default::default() }];
        ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{Event, Subscriber};
    use tracing_subscriber::{
        Layer,
        layer::{Context, SubscriberExt},
    };

    use super::*;
    use crate::config::{Env, Reader};

    /// Records the content of events.
    #[derive(Clone, Default)]
    struct Keep(Arc<Mutex<Vec<Record>>>);

    impl<S: Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().expect("no panic").push(Record::of(event, None, None));
        }
    }

    fn format(environment: &str) -> Format {
        let env = Env::from_pairs([("LEVQOR_ENVIRONMENT", environment)]);
        Format::new(&TelemetryConfig::read(&mut Reader::new(&env)).expect("sound"))
    }

    #[test]
    fn words_of_other_libraries_are_shown_in_development_and_elsewhere_by_a_list() {
        let kept = Keep::default();
        let hears = crate::testing::hear(tracing_subscriber::registry().with(kept.clone()));
        tracing::warn!(target: "sqlx::pool::acquire", "the pool is slow");
        tracing::warn!(target: "sqlx_postgres::options::pgpass", "malformed line: secret words");
        drop(hears);
        let records = kept.0.lock().expect("no panic");
        let [listed, other] = records.as_slice() else { panic!("{records:?}") };
        for environment in ["development", "production", "staging"] {
            let format = format(environment);
            assert!(format.line(listed).contains("the pool is slow"), "{environment}");
            let shown = format.line(other).contains("secret words");
            assert_eq!(shown, environment == "development", "{environment}");
        }
        // No other output shows that text, in any environment.
        assert!(!format!("{:?}", log_record(other.clone())).contains("secret words"));
    }
}
