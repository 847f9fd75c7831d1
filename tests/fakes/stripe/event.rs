//! Events: what an object was like when it changed, for the list and for the webhooks.

use serde_json::{Map, Value, json};

use super::versions;

/// The request that made an event.
#[derive(Clone, Default)]
pub(super) struct Origin {
    pub(super) request_id: String,
    pub(super) idempotency_key: Option<String>,
}

/// An event, which never changes.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    /// The object as it then was.
    pub(super) object: Value,
    /// The object before the change.
    pub(super) before: Option<Value>,
    /// None where no request made it.
    pub(super) origin: Option<Origin>,
    /// Endpoints that have not taken it yet.
    pub(super) pending: usize,
}

impl Event {
    /// The event in the shape of an API version.
    pub(super) fn render(&self, version: &str) -> Value {
        let object = versions::render(&self.object, version);
        let mut data = json!({"object": object});
        // Stripe says what was before in `*.updated` only.
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
}

/// The fields that changed, as they were. A list that changed is there whole.
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
