//! API versions: objects are kept in the newest shape, and shown in an older one where fields have moved since.
//!
//! Only moves of fields that a back office reads, since 2022-11-15. What begins with `_` is the fake's own.

use serde_json::{Value, json};

/// The version of the account, and of requests that name none.
pub(crate) const ACCOUNT: &str = "2026-10-28.endive";
/// The oldest that the fake can show: before it, payment intents listed all their charges.
const OLDEST: &str = "2022-11-15";
/// Versions that webhooks come in: the oldest, the last without a name, and the first of those that moved fields since.
pub(crate) const VERSIONS: &[&str] =
    &[OLDEST, "2024-06-20", "2025-03-31.basil", "2025-10-29.clover", "2026-09-30.endive"];
/// Invoices got a parent and payments of their own, lines a pricing; periods moved from subscriptions to their items, and a
/// single `discount` became `discounts`; payment intents and charges no longer name their invoice.
const BASIL: &str = "2025-03-31";
/// Subscriptions have a `billing_mode`.
const CLOVER: &str = "2025-09-30";
/// `hosted` became `hosted_page`.
const DAHLIA: &str = "2026-03-25";
/// Sessions and payment intents no longer list the types of means of payment.
const ENDIVE: &str = "2026-09-30";

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
            let kind = object["object"].as_str().unwrap_or_default();
            match kind {
                "invoice" if version < BASIL => old_invoice(&mut shown, object),
                "line_item" if version < BASIL => old_line(&mut shown),
                "subscription" if version < BASIL => old_subscription(&mut shown),
                "payment_intent" | "charge" if version < BASIL => shown["invoice"] = Value::Null,
                "checkout.session" if version < DAHLIA => shown["ui_mode"] = json!("hosted"),
                _ => {}
            }
            let gone = match kind {
                "subscription" if version < CLOVER => "billing_mode",
                "checkout.session" | "payment_intent" if version >= ENDIVE => "payment_method_types",
                _ => return shown,
            };
            if let Some(fields) = shown.as_object_mut() {
                fields.remove(gone);
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

fn old_line(shown: &mut Value) {
    let price = shown["pricing"]["price_details"]["price"].clone();
    shown["price"] = json!({"id": price, "object": "price"});
    shown["type"] = json!("subscription");
    shown["proration"] = shown["parent"]["subscription_item_details"]["proration"].clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|field, _| field != "pricing" && field != "parent" && field != "taxes");
    }
}

fn old_subscription(shown: &mut Value) {
    shown["discount"] = shown["discounts"][0].clone();
    for field in ["current_period_start", "current_period_end"] {
        shown[field] = shown["items"]["data"][0][field].clone();
    }
    for item in shown["items"]["data"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        item.retain(|field, _| !field.starts_with("current_period_"));
    }
}
