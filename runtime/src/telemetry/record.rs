//! One thing that happened, as it may leave the process: what the log, OTLP and Sentry are told, and all they are told.

use chrono::{DateTime, Utc};
use opentelemetry::trace::SpanContext;
use tracing::{
    Dispatch, Event, Level, Span,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Registry,
    registry::{LookupSpan, SpanRef},
};

use super::{
    context::place_of,
    fields::{Collected, Value},
    statements::Statement,
};
use crate::{clock::Clock, redact};

/// What is known of a span beside its place in a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// `levqor.service`: which of the services of this process.
    pub(super) service: Option<String>,
    /// `rpc.method` or `http.route`: what is being done.
    pub(super) operation: Option<String>,
    /// `request.id`
    pub(super) request_id: Option<String>,
}

impl Facts {
    /// What is known of a span and those around it; what is further in counts.
    pub(super) fn around<'r, R: LookupSpan<'r>>(span: &SpanRef<'r, R>) -> Self {
        let mut facts = Self::default();
        for span in span.scope() {
            if let Some(outer) = span.extensions().get::<Self>() {
                facts.fill_from(outer);
            }
        }
        facts
    }

    fn fill_from(&mut self, outer: &Self) {
        let fill = |own: &mut Option<String>, outer: &Option<String>| {
            if own.is_none() {
                own.clone_from(outer);
            }
        };
        fill(&mut self.service, &outer.service);
        fill(&mut self.operation, &outer.operation);
        fill(&mut self.request_id, &outer.request_id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.service.is_none() && self.operation.is_none() && self.request_id.is_none()
    }
}

impl Visit for Facts {
    fn record_str(&mut self, field: &Field, value: &str) {
        let fact = match field.name() {
            "levqor.service" => &mut self.service,
            "rpc.method" | "http.route" => &mut self.operation,
            "request.id" => &mut self.request_id,
            _ => return,
        };
        *fact = Some(value.to_owned());
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Where something happened: in which span, and within what.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) span: Option<SpanContext>,
    pub(super) facts: Facts,
}

impl Place {
    const NOWHERE: Self =
        Self { span: None, facts: Facts { service: None, operation: None, request_id: None } };

    /// The place of the span that this thread is in.
    pub(super) fn current() -> Self {
        Span::current().with_subscriber(|(id, dispatch)| Self::of(id, dispatch)).unwrap_or(Self::NOWHERE)
    }

    fn of(id: &span::Id, dispatch: &Dispatch) -> Self {
        let span = dispatch.downcast_ref::<Registry>().and_then(|registry| registry.span(id));
        let mut facts = span.map(|span| Facts::around(&span)).unwrap_or_default();
        // Callers name their requests as they like.
        facts.request_id = facts.request_id.map(|id| redact::text(&id).into_owned());
        Self { span: place_of(id, dispatch), facts }
    }

    pub(super) fn trace_id(&self) -> Option<String> {
        self.span.as_ref().map(|span| span.trace_id().to_string())
    }

    pub(super) fn span_id(&self) -> Option<String> {
        self.span.as_ref().map(|span| span.span_id().to_string())
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) time: DateTime<Utc>,
    pub(super) level: Level,
    /// The module that tells it.
    pub(super) target: &'static str,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) place: Place,
}

impl Record {
    /// What an event says, at the place of the innermost span around it.
    pub(super) fn of(event: &Event<'_>, span: Option<&span::Id>, dispatch: Option<&Dispatch>) -> Self {
        let metadata = event.metadata();
        let place = span.zip(dispatch).map_or(Place::NOWHERE, |(id, dispatch)| Place::of(id, dispatch));
        let mut collected = Collected::default();
        event.record(&mut collected);
        let message = if is_ours(metadata.target()) {
            collected.message
        } else if let Some(statement) = Statement::of(event) {
            collected.fields.push(("db.query.summary", Value::Text(statement.summary())));
            "a statement".to_owned()
        } else {
            // What other libraries write may quote what they were given.
            "another library reports something; its words are left out".to_owned()
        };
        Self {
            time: Clock::default().now(),
            level: *metadata.level(),
            target: metadata.target(),
            message,
            fields: collected.fields,
            place,
        }
    }

    /// Something that is told without an event.
    pub(super) fn made(message: &str, fields: Vec<(&'static str, Value)>, place: Place) -> Self {
        let (time, message) = (Clock::default().now(), message.to_owned());
        Self { time, level: Level::ERROR, target: "levqor_runtime::telemetry", message, fields, place }
    }

    /// A field's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.and_then(|(_, value)| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
    }
}

/// Whether a module is of this repository.
pub(super) fn is_ours(target: &str) -> bool {
    target.starts_with("levqor")
}
