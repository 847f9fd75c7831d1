//! The fields that may leave the process, by name: what is not on this list is written nowhere.
//!
//! A field belongs here when its values are ours: names, states, counts, ids that mean nothing outside. Addresses, names
//! of people, bodies, headers and tokens do not.

use std::{error::Error, fmt::Debug};

use tracing::field::{Field, Visit};

use crate::redact;

/// Of events: the log, log records over OTLP, Sentry. Sorted.
pub const OF_EVENTS: [&str; 44] = [
    "action",
    "addr",
    "attempts",
    "calls",
    "count",
    "deferred_call.id",
    "doubt",
    "dropped",
    "duplicate",
    "error",
    "error.message",
    "error.type",
    "exporter",
    "failure",
    "grpc.code",
    "measurement",
    "message.id",
    "message.outcome",
    "message.state",
    "message.template",
    "name",
    "order.id",
    "panic.location",
    "provider",
    "provider_event.id",
    "provider_event.type",
    "reason",
    "request",
    "rpc",
    "schedule",
    "service",
    "setting",
    "settled",
    "source",
    "status",
    "stripe_event.id",
    "stripe_event.type",
    "subscription.id",
    "taken_up",
    "template",
    "tried",
    "url.host",
    "version",
    "what",
];

/// Of spans. Sorted.
pub const OF_SPANS: [&str; 23] = [
    "db.collection.name",
    "db.operation.name",
    "db.query.summary",
    "db.response.returned_rows",
    "db.system.name",
    "deferred_call.attempts",
    "deferred_call.id",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "levqor.service",
    "network.protocol.name",
    "network.protocol.version",
    "request.id",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.system.name",
    "server.address",
    "server.port",
    "stripe_event.type",
    "url.path",
    "url.template",
];

/// Whether a field of an event may leave.
pub(super) fn may_leave(name: &str) -> bool {
    OF_EVENTS.binary_search(&name).is_ok()
}

/// Whether an attribute of a span may leave.
pub(super) fn attribute_may_leave(name: &str) -> bool {
    OF_SPANS.binary_search(&name).is_ok()
}

/// A value as it may leave.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Bool(bool),
}

/// Collects an event's message and those of its fields that may leave.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Collected {
    fn push(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        if may_leave(field.name()) {
            self.fields.push((field.name(), value()));
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = redact::text(text).into_owned();
        } else if field.name() == "error" {
            // An error that was made text before it came here: nobody knows which words are whose.
            self.push(field, || Value::Text("an error, told as text".to_owned()));
        } else {
            self.push(field, || Value::Text(redact::text(text).into_owned()));
        }
    }
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" || may_leave(field.name()) {
            self.text(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.push(field, || Value::Text(redact::text(&redact::error(value)).into_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, || Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, || {
            i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer)
        });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, || Value::Number(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, || Value::Bool(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_name_nothing_twice() {
        for list in [&OF_EVENTS[..], &OF_SPANS[..]] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
        }
    }
}
