//! Stripe's refund, reduced to the few fields that billing reads.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    json::{id, instant, reference, word},
    money::Money,
    not_understood::NotUnderstood,
    refund::{RefundId, State},
    stripe_id::StripeId,
};

/// A refund.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct StripeRefund {
    pub(crate) id: StripeId,
    pub(crate) payment_intent_id: Option<StripeId>,
    pub(crate) amount: Money,
    pub(crate) state: State,
    /// Our id, if we made the refund.
    pub(crate) refund_id: Option<RefundId>,
    /// Stripe's word for why it failed.
    pub(crate) failure: Option<String>,
    pub(crate) create_time: Option<DateTime<Utc>>,
    pub(crate) livemode: Option<bool>,
}

impl StripeRefund {
    /// Reads a refund from Stripe's response, or from an event. Old API versions have no status: such a refund has succeeded.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        let amount = object.get("amount").and_then(Value::as_i64);
        let amount = word(object, "currency").zip(amount).and_then(|(of, n)| Money::of_stripe(of, n));
        Ok(Self {
            id: id(object, "id").ok_or(NotUnderstood::Refund("id"))?,
            payment_intent_id: reference(object, "payment_intent"),
            amount: amount.ok_or(NotUnderstood::Refund("amount or currency"))?,
            state: match word(object, "status") {
                None | Some("succeeded") => State::Succeeded,
                Some("pending" | "requires_action") => State::Pending,
                Some("failed") => State::Failed,
                Some("canceled") => State::Canceled,
                Some(_) => return Err(NotUnderstood::Refund("status")),
            },
            refund_id: object
                .pointer("/metadata/refund_id")
                .and_then(Value::as_str)
                .and_then(|id| id.parse().ok()),
            failure: word(object, "failure_reason").map(str::to_owned),
            create_time: object.get("created").and_then(instant),
            livemode: object.get("livemode").and_then(Value::as_bool),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refund_of_every_version_is_read() {
        let new = json!({"id": "re_1", "amount": 900, "currency": "gbp", "status": "pending", "payment_intent": "pi_1",
                         "charge": "ch_1", "created": 1_790_000_000, "metadata": {"refund_id": "0190b2c4-0000-7000-8000-000000000000"}});
        let read = StripeRefund::read(&new).expect("a refund");
        assert_eq!(
            (read.state, read.amount.minor_units, read.refund_id.is_some()),
            (State::Pending, 900, true)
        );
        // localstripe, and Stripe before 2018, have no status.
        let old = json!({"id": "re_1", "amount": 900, "currency": "gbp", "charge": "ch_1", "metadata": {}});
        assert_eq!(StripeRefund::read(&old).expect("a refund").state, State::Succeeded);
        for field in ["id", "amount", "currency"] {
            let mut odd = new.clone();
            odd[field] = json!({});
            assert!(StripeRefund::read(&odd).is_err(), "{field}");
        }
    }
}
