//! An operation: one request that changes something at Stripe. It is stored before the request is made, so that whatever fails,
//! the same request is made again under the same idempotency key.

use chrono::{DateTime, Utc};
use levqor_runtime::{typed_id, wire_enum};
use uuid::Uuid;

use super::stripe_id::StripeId;

typed_id!(pub(crate) OperationId, "an operation");

wire_enum! {
    /// What an operation does.
    pub(crate) enum Kind {
        /// Makes a customer.
        Customer = "CUSTOMER",
        /// Changes a customer's mail address.
        CustomerUpdate = "CUSTOMER_UPDATE",
        /// Makes a checkout session.
        Checkout = "CHECKOUT",
        /// Ends a checkout session before another one takes its place.
        CheckoutExpiry = "CHECKOUT_EXPIRY",
        /// Changes, cancels or resumes a subscription.
        SubscriptionUpdate = "SUBSCRIPTION_UPDATE",
        /// Ends a subscription at once.
        SubscriptionEnd = "SUBSCRIPTION_END",
        /// Makes a refund.
        Refund = "REFUND",
    }
}

wire_enum! {
    /// How far an operation is.
    pub(crate) enum OperationState {
        /// Stored. Stripe may have done it.
        Requested = "REQUESTED",
        /// Stripe has done it.
        Done = "DONE",
        /// Stripe has refused it.
        Refused = "REFUSED",
    }
}

/// Stripe's final answer to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinalAnswer {
    /// Stripe has done it.
    Done,
    /// Stripe has refused it.
    Refused,
}

/// Why an answer is not stored: the operation may be carried out twice at the same time, and the first answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AlreadySettled {
    /// It is done.
    #[error("Stripe has done the operation already")]
    Done,
    /// It is refused.
    #[error("Stripe has refused the operation already")]
    Refused,
}

impl OperationState {
    /// The state after Stripe's answer.
    pub(crate) const fn after(self, answer: FinalAnswer) -> Result<Self, AlreadySettled> {
        match (self, answer) {
            (Self::Requested, FinalAnswer::Done) => Ok(Self::Done),
            (Self::Requested, FinalAnswer::Refused) => Ok(Self::Refused),
            (Self::Done, FinalAnswer::Done | FinalAnswer::Refused) => Err(AlreadySettled::Done),
            (Self::Refused, FinalAnswer::Done | FinalAnswer::Refused) => Err(AlreadySettled::Refused),
        }
    }
}

/// One request that changes something at Stripe.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) kind: Kind,
    pub(crate) state: OperationState,
    /// The row that the operation is about: a customer, an order, a subscription or a refund.
    pub(crate) about: Uuid,
    /// The path without `/v1`.
    pub(crate) path: String,
    /// The form that is posted: the same each time, since Stripe compares it.
    pub(crate) form: String,
    /// The number of the idempotency key. Stripe repeats its own failure (5xx) for a key, so a retry after such a failure needs
    /// another key.
    pub(crate) attempt: i32,
    /// The customer who asked for it.
    pub(crate) owner_sub: Option<String>,
    /// The idempotency key of the customer's request, and a hash of that request.
    pub(crate) request: Option<RequestKey>,
    /// The result of a checkout.
    pub(crate) stripe_object_id: Option<StripeId>,
    pub(crate) url: Option<String>,
    pub(crate) expire_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

/// The key under which a customer made a request, and a hash of the request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequestKey {
    pub(crate) key: String,
    pub(crate) hash: Vec<u8>,
}

impl RequestKey {
    /// A text that identifies a request and its key.
    pub(crate) fn in_full(&self) -> String {
        format!("{} {}", self.key, hex::encode(&self.hash))
    }
}

impl Operation {
    /// An operation to be made at Stripe.
    pub(crate) fn new(kind: Kind, about: Uuid, path: String, form: String, now: DateTime<Utc>) -> Self {
        Self {
            id: OperationId::new_at(now),
            kind,
            state: OperationState::Requested,
            about,
            path,
            form,
            attempt: 0,
            owner_sub: None,
            request: None,
            stripe_object_id: None,
            url: None,
            expire_time: None,
            create_time: now,
        }
    }

    /// The idempotency key for Stripe.
    pub(crate) fn stripe_key(&self) -> String {
        format!("levqor-{}-{}", self.id, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_answer_is_stored_or_refused_with_a_reason() {
        for (state, expected) in [
            (OperationState::Requested, [Ok(OperationState::Done), Ok(OperationState::Refused)]),
            (OperationState::Done, [Err(AlreadySettled::Done); 2]),
            (OperationState::Refused, [Err(AlreadySettled::Refused); 2]),
        ] {
            let found = [FinalAnswer::Done, FinalAnswer::Refused].map(|answer| state.after(answer));
            assert_eq!(found, expected, "{state:?}");
        }
        assert_eq!(OperationState::ALL.len(), 3, "every state is in the table");
        assert_eq!(AlreadySettled::Done.to_string(), "Stripe has done the operation already");
    }

    #[test]
    fn the_key_stays_until_stripe_has_answered_with_a_failure_of_its_own() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let mut operation = Operation::new(Kind::Refund, Uuid::nil(), "/refunds".into(), String::new(), now);
        let first = operation.stripe_key();
        assert_eq!(operation.clone().stripe_key(), first);
        operation.attempt += 1;
        assert_ne!(operation.stripe_key(), first);
    }
}
