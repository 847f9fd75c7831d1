//! Disputes: a customer asks their bank for the money back. <https://docs.stripe.com/api/disputes/object>

use chrono::{DateTime, Utc};
use levqor_runtime::wire_enum;
use serde_json::Value;

use super::{
    json::{id, instant, reference, word},
    money::Money,
    not_understood::NotUnderstood,
    stripe_id::StripeId,
};

wire_enum! {
    /// The state of a dispute, in ascending order. It never moves back.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum State {
        /// The bank has the money, or asks about it, and has not decided.
        Open = "OPEN",
        /// The money stays with us.
        Won = "WON",
        /// The money is gone.
        Lost = "LOST",
    }
}

/// A dispute.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct StripeDispute {
    pub(crate) id: StripeId,
    pub(crate) payment_intent_id: Option<StripeId>,
    pub(crate) customer_id: Option<StripeId>,
    pub(crate) state: State,
    /// The bank only asks, and has not taken the money back. An inquiry does not hold the entitlements.
    pub(crate) is_inquiry: bool,
    pub(crate) amount: Money,
    /// Stripe's name for the customer's reason.
    pub(crate) reason: String,
    /// The time until which evidence can be given.
    pub(crate) due_time: Option<DateTime<Utc>>,
    pub(crate) livemode: Option<bool>,
}

impl StripeDispute {
    /// The id that Stripe is asked to expand to the object.
    pub(crate) const EXPAND: &'static [&'static str] = &["charge"];

    /// Reads a dispute from Stripe's response, or from an event.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        let amount = object.get("amount").and_then(Value::as_i64);
        let amount = word(object, "currency").zip(amount).and_then(|(of, n)| Money::of_stripe(of, n));
        let status = word(object, "status").unwrap_or_default();
        let charge = object.get("charge").unwrap_or(&Value::Null);
        Ok(Self {
            id: id(object, "id").ok_or(NotUnderstood::Dispute("id"))?,
            payment_intent_id: reference(object, "payment_intent")
                .or_else(|| reference(charge, "payment_intent")),
            customer_id: reference(charge, "customer"),
            state: match status {
                "needs_response" | "under_review" | "warning_needs_response" | "warning_under_review" => {
                    State::Open
                }
                "won" | "warning_closed" | "prevented" => State::Won,
                "lost" | "charge_refunded" => State::Lost,
                _ => return Err(NotUnderstood::Dispute("status")),
            },
            is_inquiry: status.starts_with("warning_"),
            amount: amount.ok_or(NotUnderstood::Dispute("amount or currency"))?,
            reason: word(object, "reason").unwrap_or("general").to_owned(),
            due_time: object.pointer("/evidence_details/due_by").and_then(instant),
            livemode: object.get("livemode").and_then(Value::as_bool),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_status_of_stripe_has_its_state() {
        let read = |status: &str| {
            StripeDispute::read(&json!({
                "id": "dp_1", "amount": 9900, "currency": "gbp", "status": status, "reason": "fraudulent",
                "charge": {"id": "ch_1", "customer": "cus_1", "payment_intent": "pi_1"},
                "evidence_details": {"due_by": 1_790_000_000},
            }))
        };
        for (status, state, is_inquiry) in [
            ("warning_needs_response", State::Open, true),
            ("warning_under_review", State::Open, true),
            ("warning_closed", State::Won, true),
            ("needs_response", State::Open, false),
            ("under_review", State::Open, false),
            ("won", State::Won, false),
            ("lost", State::Lost, false),
        ] {
            let dispute = read(status).expect(status);
            assert_eq!((dispute.state, dispute.is_inquiry), (state, is_inquiry), "{status}");
            assert_eq!(dispute.customer_id, "cus_1".parse().ok());
        }
        assert_eq!(read("odd").err(), Some(NotUnderstood::Dispute("status")));
    }
}
