//! The fields that may leave the process, by name. A field that is on no list is written nowhere.
//!
//! Each service lists its own fields, and registers them before it logs: one subscriber serves all services of the process. A
//! field belongs here when its values are ours: names, states, counts, ids without meaning outside. Addresses, names of people,
//! bodies, headers and tokens do not belong here.

use std::{
    error::Error,
    fmt::Debug,
    sync::{PoisonError, RwLock},
};

use serde_json::Value as Json;
use tracing::field::{Field, Visit};

use crate::redact;

/// Names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Fields of events: the log, log records over OTLP, Sentry.
    pub events: &'static [&'static str],
    /// Fields of spans.
    pub spans: &'static [&'static str],
}

impl Fields {
    /// No fields.
    pub const NONE: Self = Self { events: &[], spans: &[] };
}

/// The chassis' fields, which the gateway and the commands use too.
pub const OF_CHASSIS: Fields = Fields {
    events: &[
        "addr",
        "attempts",
        "calls",
        "count",
        "deferred_call.id",
        "dropped",
        "duplicate",
        "error",
        "error.message",
        "error.type",
        "exporter",
        "failure",
        "grpc.code",
        "measurement",
        "name",
        "panic.location",
        "provider",
        "reason",
        "request",
        "rpc",
        "schedule",
        "service",
        "setting",
        "settled",
        "source",
        "status",
        "template",
        "tried",
        "url.host",
        "version",
        "what",
    ],
    spans: &[
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
        "url.path",
        "url.template",
    ],
};

/// The fields that may leave: the chassis', and those of the registered services.
static MAY_LEAVE: RwLock<Vec<Fields>> = RwLock::new(Vec::new());

/// Allows the fields of a service to leave.
pub(crate) fn register(fields: Fields) {
    let mut all = MAY_LEAVE.write().unwrap_or_else(PoisonError::into_inner);
    if !all.contains(&fields) {
        all.push(fields);
    }
}

/// Whether a field of an event may leave.
pub(super) fn may_leave(name: &str) -> bool {
    listed(name, |fields| fields.events)
}

/// Whether an attribute of a span may leave.
pub(super) fn attribute_may_leave(name: &str) -> bool {
    listed(name, |fields| fields.spans)
}

fn listed(name: &str, list: impl Fn(&Fields) -> &'static [&'static str]) -> bool {
    let of_services = || MAY_LEAVE.read().unwrap_or_else(PoisonError::into_inner);
    list(&OF_CHASSIS).contains(&name) || of_services().iter().any(|fields| list(fields).contains(&name))
}

/// A redacted value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Bool(bool),
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::from(text.as_str()),
            Value::Integer(number) => Self::from(*number),
            Value::Number(number) => Self::from(*number),
            Value::Bool(value) => Self::from(*value),
        }
    }
}

/// Collects an event's message and its allowed fields.
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
            // This error became text before it got here, so it is unknown which words are safe.
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
    fn a_field_may_leave_once_its_service_has_registered_it() {
        assert!(may_leave("count") && attribute_may_leave("http.route"));
        assert!(!may_leave("lamp.colour") && !attribute_may_leave("lamp.colour"));
        register(Fields { events: &["lamp.colour"], spans: &["lamp.size"] });
        assert!(may_leave("lamp.colour") && attribute_may_leave("lamp.size"));
        assert!(!attribute_may_leave("lamp.colour") && !may_leave("lamp.size"));
    }
}
