//! One event in the form that may leave the process. The log, OTLP and Sentry get this and nothing else.

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

/// The known facts of a span, beside its trace context.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// `levqor.service`: one of the services of this process.
    pub(super) service: Option<String>,
    /// `rpc.method` or `http.route`: the current operation.
    pub(super) operation: Option<String>,
    /// `request.id`
    pub(super) request_id: Option<String>,
}

impl Facts {
    /// The facts of a span and its parents; the inner span wins.
    pub(super) fn around<'r, R: LookupSpan<'r>>(span: &SpanRef<'r, R>) -> Self {
        let mut facts = Self::default();
        for span in span.scope() {
            if let Some(Self { service, operation, request_id }) = span.extensions().get::<Self>() {
                facts.service = facts.service.or_else(|| service.clone());
                facts.operation = facts.operation.or_else(|| operation.clone());
                facts.request_id = facts.request_id.or_else(|| request_id.clone());
            }
        }
        facts
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

/// The origin of an event: its span and that span's facts.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) span: Option<SpanContext>,
    pub(super) facts: Facts,
}

impl Origin {
    /// The origin at the current span of this thread.
    pub(super) fn current() -> Self {
        Span::current().with_subscriber(|(id, dispatch)| Self::of(id, dispatch)).unwrap_or_default()
    }

    fn of(id: &span::Id, dispatch: &Dispatch) -> Self {
        let span = dispatch.downcast_ref::<Registry>().and_then(|registry| registry.span(id));
        let mut facts = span.map(|span| Facts::around(&span)).unwrap_or_default();
        // Callers choose their request ids freely.
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

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) time: DateTime<Utc>,
    pub(super) level: Level,
    /// The module that logs it.
    pub(super) target: &'static str,
    pub(super) message: String,
    /// The text of another library that is left out of the message. Only the log of a development environment shows it.
    pub(super) left_out: Option<String>,
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) place: Origin,
}

impl Record {
    /// The record of an event, with the origin of its innermost span.
    pub(super) fn of(event: &Event<'_>, span: Option<&span::Id>, dispatch: Option<&Dispatch>) -> Self {
        let metadata = event.metadata();
        let place = span.zip(dispatch).map(|(id, dispatch)| Origin::of(id, dispatch)).unwrap_or_default();
        let mut collected = Collected::default();
        event.record(&mut collected);
        let (message, left_out) = if is_ours(metadata.target()) || quotes_nothing(metadata.target()) {
            (collected.message, None)
        } else if let Some(statement) = Statement::of(event) {
            collected.fields.push(("db.query.summary", Value::Text(statement.summary())));
            ("a statement".to_owned(), None)
        } else {
            let message = "another library reports something; its words are left out";
            (message.to_owned(), Some(collected.message))
        };
        Self {
            time: Clock::default().now(),
            level: *metadata.level(),
            target: metadata.target(),
            message,
            left_out,
            fields: collected.fields,
            place,
        }
    }

    /// A record that is made directly, without a `tracing` event.
    pub(super) fn made(message: &str, fields: Vec<(&'static str, Value)>, place: Origin) -> Self {
        let (time, message) = (Clock::default().now(), message.to_owned());
        let (level, target) = (Level::ERROR, "levqor_runtime::telemetry");
        Self { time, level, target, message, left_out: None, fields, place }
    }

    /// A field's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.and_then(|(_, value)| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
    }
}

/// Modules of other libraries whose messages are shown in every environment. We have read their code: they log limits, TLS
/// alerts, sockets and pools, and quote no input. Other libraries may quote a row, a header or a key.
const QUOTE_NOTHING: &[&str] = &[
    "h2::proto::streams",
    "hyper_util::client::legacy::connect",
    "rustls::common_state",
    "sqlx::pool::acquire",
    "sqlx_core::pool",
];

fn quotes_nothing(target: &str) -> bool {
    let is_within = |module: &&str| {
        target.strip_prefix(*module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    QUOTE_NOTHING.iter().any(is_within)
}

/// Whether a module belongs to this repository.
pub(super) fn is_ours(target: &str) -> bool {
    target.starts_with("levqor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_on_the_list_quote_nothing() {
        for target in ["rustls::common_state", "sqlx_core::pool::inner"] {
            assert!(quotes_nothing(target), "{target}");
        }
        for target in ["rustls", "sqlx_core::pooled", "sqlx_postgres::options::pgpass", "h2::hpack", ""] {
            assert!(!quotes_nothing(target), "{target}");
        }
    }
}
