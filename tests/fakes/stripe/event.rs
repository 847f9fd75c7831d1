//! Stripe's events. Each holds an object as it was after a change. The API lists them, and webhooks send them.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::versions;

/// The request that made an event.
#[derive(Clone, Default)]
pub(super) struct Origin {
    pub(super) request_id: String,
    pub(super) idempotency_key: Option<String>,
}

/// An event. Only `pending` changes after the event was made.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    /// The object after the change.
    pub(super) object: Value,
    /// The object before the change.
    pub(super) before: Option<Value>,
    /// The request that caused the event. `None` if no request did.
    pub(super) origin: Option<Origin>,
    /// How many endpoints have not accepted the event yet.
    pub(super) pending: usize,
}

impl Event {
    /// The event in the shape of an API version.
    pub(super) fn render(&self, version: &str) -> Value {
        let object = versions::render(&self.object, version);
        let mut data = json!({"object": object});
        // Stripe sends `previous_attributes` only in events of the types `*.updated`.
        if let Some(before) = self.before.as_ref().filter(|_| self.kind.ends_with(".updated")) {
            data["previous_attributes"] = previous(&versions::render(before, version), &object);
        }
        let origin = self.origin.clone().unwrap_or_default();
        json!({
            "id": self.id,
            "object": "event",
            "api_version": version,
            "created": self.created,
            "data": data,
            "livemode": false,
            "pending_webhooks": self.pending,
            "request": {
                "id": self.origin.as_ref().map(|_| origin.request_id),
                "idempotency_key": origin.idempotency_key,
            },
            "type": self.kind,
        })
    }

    /// The event as a notification that only names its object:
    /// <https://docs.stripe.com/changelog/endive/2026-09-30/thin-events-for-api-v1-resources-generally-available>.
    pub(super) fn thin(&self, names_snapshot: bool) -> Value {
        let (id, kind) = (&self.object["id"], self.object["object"].as_str().unwrap_or_default());
        let created = DateTime::from_timestamp(self.created, 250_000_000).expect("an instant");
        let mut thin = json!({
            "id": self.id.replace("evt_", "evt_test_thin"), "object": "v2.core.event", "type": format!("v1.{}", self.kind),
            "created": created.to_rfc3339_opts(SecondsFormat::Millis, true), "livemode": false, "context": null,
            "related_object": {"id": id, "type": kind, "url": format!("/v1/{kind}s/{}", id.as_str().unwrap_or_default())},
        });
        if names_snapshot {
            thin["snapshot_event"] = json!(self.id);
        }
        thin
    }
}

/// The old values of the fields that changed. If a list changed, this is the whole old list.
fn previous(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return before.clone() };
    let mut changed = Map::new();
    for (field, old) in before {
        match after.get(field) {
            Some(new) if new == old => {}
            Some(new @ Value::Object(_)) if old.is_object() => {
                changed.insert(field.clone(), previous(old, new));
            }
            _ => {
                changed.insert(field.clone(), old.clone());
            }
        }
    }
    for field in after.keys().filter(|field| !before.contains_key(*field)) {
        changed.insert(field.clone(), Value::Null);
    }
    Value::Object(changed)
}
