//! Sentry: internal errors and panics, once each. An event holds no more than the log holds.

use std::{
    borrow::Cow,
    collections::VecDeque,
    ffi::OsStr,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Body, RequestBuilder};
use sentry::{
    Envelope, Level as SentryLevel,
    integrations::backtrace::current_stacktrace,
    protocol::{
        Breadcrumb, Context, Event, Exception, Frame, Mechanism, SpanId, Stacktrace, TraceContext, TraceId,
    },
    types::Dsn,
};
use serde_json::Value as Json;
use tracing::Level;

use super::{
    config::SentryDsn,
    pipeline::{Destination, Queue, Refusal},
    record::{Record, is_ours},
    resource::instance_id,
};
use crate::http::http_client;

/// The most envelopes that wait for Sentry.
pub(super) const CAPACITY: usize = 128;
/// How many envelopes are sent before the queue is checked again.
pub(super) const BATCH: usize = 1;
/// How many earlier log lines are remembered and sent with an event.
const CRUMBS: usize = 30;
const REMEMBERED: usize = 500;
/// The limit of stack frames and of the length of their names. The latest frames are kept. Names in a stack of layers hold all
/// their types, and a server refuses an event above one mebibyte.
const FRAMES: usize = 150;
const NAME: usize = 300;
/// How long to wait before an envelope is sent again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one envelope may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reports to Sentry.
pub(super) struct Sentry {
    queue: Queue<Envelope>,
    environment: String,
    process: &'static str,
    crumbs: Mutex<VecDeque<Record>>,
}

impl Sentry {
    pub(super) fn new(queue: Queue<Envelope>, environment: &str, process: &'static str) -> Self {
        Self { queue, environment: environment.to_owned(), process, crumbs: Mutex::default() }
    }

    /// Receives every log record. Reports an error, and remembers other records for a later error.
    pub(super) fn hear(&self, record: &Record) {
        if record.level == Level::ERROR {
            // A panic is already reported, with its stack, where it happened. The code that catches it only adds a log line.
            if record.text("error.type") != Some("panic") {
                self.queue.push_with(|| self.event(record, None).into());
            }
            return;
        }
        if is_ours(record.target) {
            let mut crumbs = self.crumbs.lock().unwrap_or_else(PoisonError::into_inner);
            if crumbs.len() >= REMEMBERED {
                crumbs.pop_front();
            }
            crumbs.push_back(record.clone());
        }
    }

    /// Reports a panic, called from where it happens.
    pub(super) fn panicked(&self, record: &Record) {
        self.queue.push_with(|| self.event(record, current_stacktrace().map(without_machine)).into());
    }

    fn event(&self, record: &Record, stacktrace: Option<Stacktrace>) -> Event<'static> {
        let place = &record.place;
        let service = place.facts.service.as_deref().unwrap_or(self.process).to_owned();
        let operation = place.facts.operation.clone().or_else(|| record.text("rpc").map(str::to_owned));
        let reason = record.text("reason").map(str::to_owned);
        let location = record.text("panic.location");
        let said = record.text("error.message").or_else(|| record.text("error")).unwrap_or(&record.message);
        // Groups events by the place to fix: one place that panics, or one reason of one operation of one service.
        let (kind, value, group) = if let Some(at) = location {
            ("panic", format!("{said}, at {at}"), vec!["panic".to_owned(), at.to_owned()])
        } else {
            let why = reason.as_ref().unwrap_or(&record.message).clone();
            let group = vec![service.clone(), why, operation.clone().unwrap_or_default()];
            (reason.as_deref().unwrap_or("error"), said.to_owned(), group)
        };
        let exception = Exception {
            ty: kind.to_owned(),
            value: Some(value),
            module: Some(record.target.to_owned()),
            mechanism: Some(Mechanism {
                ty: if location.is_some() { "panic" } else { "generic" }.to_owned(),
                handled: Some(location.is_none()),
                ..Default::default()
            }),
            stacktrace,
            ..Default::default()
        };
        let mut event = Event {
            level: SentryLevel::Error,
            fingerprint: group.into_iter().map(Cow::Owned).collect(),
            culprit: operation.clone(),
            transaction: operation.clone(),
            logger: Some(record.target.to_owned()),
            logentry: Some(sentry::protocol::LogEntry {
                message: record.message.clone(),
                params: Vec::new(),
            }),
            platform: "native".into(),
            timestamp: record.time.into(),
            server_name: Some(instance_id().into()),
            release: Some(concat!("levqor@", env!("CARGO_PKG_VERSION")).into()),
            environment: Some(self.environment.clone().into()),
            exception: vec![exception].into(),
            breadcrumbs: self.breadcrumbs(record).into(),
            ..Default::default()
        };
        let tags = [
            ("service", Some(service)),
            ("reason", reason),
            ("operation", operation),
            ("request_id", place.facts.request_id.clone()),
            ("trace_id", place.trace_id()),
        ];
        event.tags.extend(tags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        event.extra.extend(record.fields.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value))));
        if let Some(span) = &place.span {
            let context = TraceContext {
                trace_id: TraceId::from(span.trace_id().to_bytes()),
                span_id: SpanId::from(span.span_id().to_bytes()),
                op: place.facts.operation.clone(),
                ..Default::default()
            };
            event.contexts.insert("trace".to_owned(), Context::from(context));
        }
        event
    }

    /// The earlier log records of the same trace, oldest first.
    fn breadcrumbs(&self, record: &Record) -> Vec<Breadcrumb> {
        let Some(trace_id) = record.place.trace_id() else { return Vec::new() };
        let crumbs = self.crumbs.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = crumbs.iter().rev().filter(|crumb| crumb.place.trace_id().as_ref() == Some(&trace_id));
        let mut told: Vec<_> = of_trace.take(CRUMBS).map(breadcrumb).collect();
        told.reverse();
        told
    }
}

fn breadcrumb(record: &Record) -> Breadcrumb {
    let level = match record.level {
        Level::ERROR => SentryLevel::Error,
        Level::WARN => SentryLevel::Warning,
        Level::INFO => SentryLevel::Info,
        Level::DEBUG | Level::TRACE => SentryLevel::Debug,
    };
    Breadcrumb {
        timestamp: record.time.into(),
        ty: "log".to_owned(),
        category: Some(record.target.to_owned()),
        level,
        message: Some(record.message.clone()),
        data: record.fields.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value))).collect(),
    }
}

/// Removes traces of the build machine from a stack, and marks our own frames.
fn without_machine(mut stack: Stacktrace) -> Stacktrace {
    let shorten =
        |path: String| path.rsplit_once("/src/index.").map_or(path.clone(), |(_, rest)| rest.to_owned());
    // Frames are oldest first: frames after the panic are the machinery that reports it.
    let machinery = |frame: &Frame| {
        let name = frame.function.as_deref().unwrap_or_default();
        name.contains("rust_begin_unwind") || name.starts_with("core::panicking")
    };
    if let Some(end) = stack.frames.iter().position(machinery) {
        stack.frames.truncate(end);
    }
    // Removes the oldest frames.
    stack.frames.drain(..stack.frames.len().saturating_sub(FRAMES));
    for frame in &mut stack.frames {
        let Frame { function, filename, abs_path, in_app, vars, .. } = frame;
        // Inlined frames have short names, so the file path tells whether they are ours.
        let path = abs_path.take().unwrap_or_default();
        let foreign = ["/rustc/", "/registry/src/", "/git/checkouts/"].iter().any(|of| path.contains(of));
        let ours = Path::new(&path).extension() == Some(OsStr::new("rs")) && !foreign;
        *in_app = Some(ours || function.as_deref().is_some_and(|name| name.starts_with("levqor")));
        *filename = filename.take().map(shorten);
        *function = function.take().map(|name| name.chars().take(NAME).collect());
        vars.clear();
    }
    stack
}

/// The request that carries an envelope.
pub(super) fn request(http: &reqwest::Client, dsn: &Dsn, envelope: impl Into<Body>) -> RequestBuilder {
    http.post(dsn.envelope_api_url())
        .header("x-sentry-auth", dsn.to_auth(Some(concat!("levqor/", env!("CARGO_PKG_VERSION")))).to_string())
        .header("content-type", "application/x-sentry-envelope")
        .timeout(TIMEOUT)
        .body(envelope)
}

/// Envelopes over HTTP.
pub(super) struct ToSentry {
    http: reqwest::Client,
    dsn: Dsn,
}

impl ToSentry {
    /// Creates the sender. It must be created and used on the telemetry thread. Fails only where TLS cannot be set up.
    pub(super) fn try_new(dsn: &SentryDsn) -> Result<Self, reqwest::Error> {
        Ok(Self { http: http_client()?, dsn: dsn.0.clone() })
    }
}

impl Destination for ToSentry {
    type Item = Envelope;
    type Parcel = bytes::Bytes;

    fn name(&self) -> &'static str {
        "sentry"
    }

    fn pack(&self, envelopes: Vec<Envelope>) -> Vec<bytes::Bytes> {
        let write = |envelope: Envelope| {
            let mut bytes = Vec::new();
            // Writing to memory fails only on a value that is not JSON; ours are.
            envelope.to_writer(&mut bytes).ok()?;
            Some(bytes::Bytes::from(bytes))
        };
        envelopes.into_iter().filter_map(write).collect()
    }

    async fn send(&mut self, parcel: bytes::Bytes) -> Result<(), Refusal> {
        let answer = request(&self.http, &self.dsn, parcel)
            .send()
            .await
            .map_err(|error| Refusal { reason: crate::redact::error(&error), retry: Some(PAUSE) })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let again = status.as_u16() == 429 || status.is_server_error();
        let retry = again.then(|| asked.map_or(PAUSE, |seconds: u64| Duration::from_secs(seconds.min(60))));
        Err(Refusal { reason: format!("HTTP {}", status.as_u16()), retry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stack_is_cut_to_the_size_that_a_server_accepts() {
        let frame = |number: usize| Frame {
            function: Some(format!("levqor_{number}<{}>", "Layer<".repeat(10_000))),
            ..Default::default()
        };
        let stack =
            without_machine(Stacktrace { frames: (0..1000).map(frame).collect(), ..Default::default() });
        let written = serde_json::to_string(&stack).expect("JSON");
        assert!(written.len() < 100 << 10, "{} bytes", written.len());
        let last = stack.frames.last().and_then(|frame| frame.function.clone()).expect("a name");
        assert!(last.starts_with("levqor_999<Layer<"), "the place of the panic is missing: {last}");
        assert_eq!(stack.frames.last().and_then(|frame| frame.in_app), Some(true));
    }
}
