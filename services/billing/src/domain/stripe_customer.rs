//! Stripe's customer, reduced to the few fields that billing reads.

use levqor_runtime::email::Email;
use serde_json::Value;

use super::{
    json::{id, text, word},
    not_understood::NotUnderstood,
    stripe_id::StripeId,
};

/// A customer, who may be deleted.
#[derive(Clone)]
pub(crate) struct StripeCustomer {
    pub(crate) id: StripeId,
    pub(crate) deleted: bool,
    /// Empty if Stripe has none.
    pub(crate) name: String,
    pub(crate) email: Option<Email>,
    pub(crate) livemode: Option<bool>,
}

impl StripeCustomer {
    /// Reads a customer from Stripe's response, or from an event.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        Ok(Self {
            id: id(object, "id").ok_or(NotUnderstood::Customer("id"))?,
            deleted: object.get("deleted").and_then(Value::as_bool).unwrap_or_default(),
            name: text(object, "name").unwrap_or_default(),
            email: word(object, "email").and_then(|email| email.parse().ok()),
            livemode: object.get("livemode").and_then(Value::as_bool),
        })
    }
}
