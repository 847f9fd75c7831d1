//! API versions: objects are kept in the newest shape, and shown in an older one where fields have moved since.
//!
//! Only moves of fields that a back office reads, since 2022-11-15. What begins with `_` is the fake's own.

use serde_json::{Value, json};

/// The version of the account, and of requests that name none.
pub(crate) const ACCOUNT: &str = "2026-10-28.endive";
/// The oldest that the fake can show: before it, payment intents listed all their charges.
const OLDEST: &str = "2022-11-15";
/// Versions between which fields moved; those of a checkout session that we read have not.
pub(crate) const VERSIONS: [&str; 3] = [OLDEST, "2025-06-30.basil", ACCOUNT];
/// Invoices got a parent and payments of their own, and periods moved from subscriptions to their items.
const BASIL: &str = "2025-03-31";
/// `hosted` became `hosted_page`.
const DAHLIA: &str = "2026-03-25";

/// Whether this names a version that the fake knows: a date, and since 2024 a flower.
pub(super) fn is_known(version: &str) -> bool {
    let (date, flower) = version.split_once('.').unwrap_or((version, ""));
    let dated = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    dated && date >= OLDEST && flower.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// An object, and all objects in it, in the shape of a version.
pub(super) fn render(object: &Value, version: &str) -> Value {
    match object {
        Value::Array(items) => items.iter().map(|item| render(item, version)).collect(),
        Value::Object(fields) => {
            let mut shown: Value = fields
                .iter()
                .filter(|(field, _)| !field.starts_with('_'))
                .map(|(field, value)| (field.clone(), render(value, version)))
                .collect::<serde_json::Map<_, _>>()
                .into();
            match object["object"].as_str() {
                Some("invoice") if version < BASIL => old_invoice(&mut shown, object),
                Some("subscription") if version < BASIL => old_subscription(&mut shown),
                Some("checkout.session") if version < DAHLIA => shown["ui_mode"] = json!("hosted"),
                _ => {}
            }
            shown
        }
        other => other.clone(),
    }
}

fn old_invoice(shown: &mut Value, object: &Value) {
    shown["subscription"] = object["parent"]["subscription_details"]["subscription"].clone();
    shown["payment_intent"] = object["_payment_intent"].clone();
    shown["charge"] = object["_charge"].clone();
    shown["paid"] = json!(object["status"] == "paid");
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("parent");
    }
}

fn old_subscription(shown: &mut Value) {
    for field in ["current_period_start", "current_period_end"] {
        shown[field] = shown["items"]["data"][0][field].clone();
    }
    for item in shown["items"]["data"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        item.retain(|field, _| !field.starts_with("current_period_"));
    }
}
