//! Refunds. Together the refunds of a payment never come to more than was paid.

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::{money::Money, order::OrderId, stripe_id::StripeId, stripe_refund::StripeRefund};

typed_id!(pub(crate) RefundId, "a refund");

wire_enum! {
    /// The state of a refund, in ascending order. It never moves back, so the result does not depend on the order of the events.
    /// A refund that succeeded may still fail later, when the customer's bank sends the money back.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum State: wire::refund::State {
        /// Stored, and not yet made at Stripe.
        Requested = "REQUESTED",
        /// Made at Stripe; the money is on its way.
        Pending = "PENDING",
        /// The money is back.
        Succeeded = "SUCCEEDED",
        /// Cancelled at Stripe.
        Canceled = "CANCELED",
        /// The money could not be given back, or Stripe refused.
        Failed = "FAILED",
    }
}

wire_enum! {
    /// Who asked for a refund.
    pub(crate) enum Origin: wire::refund::Origin {
        /// Staff, here.
        Staff = "STAFF",
        /// The customer, by the withdrawal function or the guarantee.
        Customer = "CUSTOMER",
        /// A person at Stripe.
        Stripe = "STRIPE",
    }
}

impl State {
    /// Whether the customer has got the money, or will get it.
    pub(crate) const fn counts(self) -> bool {
        match self {
            Self::Requested | Self::Pending | Self::Succeeded => true,
            Self::Canceled | Self::Failed => false,
        }
    }
}

/// A refund: money that a customer gets back.
#[derive(Clone)]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    /// Absent if the payment was not for an order that we know.
    pub(crate) order_id: Option<OrderId>,
    pub(crate) stripe_payment_intent_id: Option<StripeId>,
    pub(crate) stripe_refund_id: Option<StripeId>,
    pub(crate) state: State,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    pub(crate) origin: Origin,
    pub(crate) failure: Option<String>,
    /// Whether the order's history has the refund, and the customer got its mail.
    pub(crate) told: bool,
    /// When it was made at Stripe.
    pub(crate) made_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// Why money is not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRefundable {
    /// The order is not paid.
    #[error("the order is not paid")]
    NotPaid,
    /// Everything that was paid has been given back already.
    #[error("everything that was paid was given back already")]
    NothingLeft,
    /// The payment is disputed: the bank has the money, and decides.
    #[error("the payment is disputed at the bank, which has the money")]
    Disputed,
    /// A dispute about the payment was lost: the bank has given the money to the customer.
    #[error("the bank gave the money back to the customer, because we lost a dispute")]
    LostDispute,
}

/// The amount of a refund: the requested amount, or everything that was not refunded yet. `refunded` are the earlier refunds that
/// count.
pub(crate) fn amount_of(
    paid: &Money,
    refunded: i64,
    asked: Option<i64>,
) -> Result<Option<Money>, NotRefundable> {
    let left = paid.minor_units - refunded;
    if left <= 0 {
        return Err(NotRefundable::NothingLeft);
    }
    let minor_units = asked.unwrap_or(left);
    // `None`: the amount is greater than the amount that was not refunded yet. The RPC reports the field.
    Ok((1..=left).contains(&minor_units).then(|| Money { currency: paid.currency.clone(), minor_units }))
}

impl Refund {
    /// A refund that a person made at Stripe.
    pub(crate) fn found(at_stripe: &StripeRefund, now: DateTime<Utc>) -> Self {
        Self {
            id: RefundId::new_at(now),
            order_id: None,
            stripe_payment_intent_id: at_stripe.payment_intent_id.clone(),
            stripe_refund_id: Some(at_stripe.id.clone()),
            state: at_stripe.state,
            amount: at_stripe.amount.clone(),
            reason: String::new(),
            origin: Origin::Stripe,
            failure: at_stripe.failure.clone(),
            told: false,
            made_time: at_stripe.create_time,
            create_time: now,
            update_time: now,
        }
    }

    /// Raises the refund to Stripe's state. Returns whether anything changed.
    pub(crate) fn mirror(&mut self, at_stripe: &StripeRefund, now: DateTime<Utc>) -> bool {
        let known = self.stripe_refund_id.as_ref() == Some(&at_stripe.id);
        if known && at_stripe.state <= self.state {
            return false;
        }
        self.stripe_refund_id = Some(at_stripe.id.clone());
        self.state = self.state.max(at_stripe.state);
        self.failure.clone_from(&at_stripe.failure);
        self.amount = at_stripe.amount.clone();
        self.made_time = at_stripe.create_time.or(self.made_time);
        self.update_time = now;
        true
    }

    /// Sets the order of the refund. Returns whether the refund has succeeded and neither the order's history nor the customer
    /// got a mail yet.
    pub(crate) fn is_of(&mut self, order_id: OrderId) -> bool {
        self.order_id = Some(order_id);
        let is_news = self.state == State::Succeeded && !self.told;
        self.told |= is_news;
        is_news
    }

    /// Stores that Stripe has refused to make it. Returns whether this changed the state: a refund that Stripe has made is not
    /// refused any more.
    pub(crate) fn refuse(&mut self, why: &str, now: DateTime<Utc>) -> bool {
        let is_news = self.state == State::Requested;
        if is_news {
            self.state = State::Failed;
            self.failure = Some(why.to_owned());
            self.update_time = now;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The refunds together never exceed the payment, whatever amounts are requested, in whatever order.
        #[test]
        fn refunds_never_exceed_the_paid_amount(
            paid in 1_i64..100_000,
            asked in proptest::collection::vec(proptest::option::of(-10_i64..120_000), 1..12),
        ) {
            let mut refunded = 0;
            for asked in asked {
                if let Ok(Some(money)) = amount_of(&Money::pence(paid), refunded, asked) {
                    prop_assert!(money.minor_units > 0);
                    refunded += money.minor_units;
                }
                prop_assert!(refunded <= paid);
            }
        }
    }

    #[test]
    fn without_an_amount_the_remaining_amount_is_refunded() {
        let paid = Money::pence(9900);
        assert_eq!(amount_of(&paid, 900, None), Ok(Some(Money::pence(9000))));
        assert_eq!(amount_of(&paid, 900, Some(9001)), Ok(None));
        assert_eq!(amount_of(&paid, 9900, Some(1)), Err(NotRefundable::NothingLeft));
    }

    #[test]
    fn every_pair_of_our_state_and_stripes_only_rises_and_refunds_made_at_stripe_are_accepted() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        let at_stripe = |state: State| StripeRefund {
            id: "re_1".parse().expect("an id"),
            refund_id: None,
            payment_intent_id: None,
            state,
            amount: Money::pence(100),
            failure: None,
            create_time: Some(now),
            livemode: None,
        };
        for ours in State::ALL {
            for theirs in State::ALL {
                let mut refund = Refund::found(&at_stripe(ours), now);
                assert_eq!(refund.mirror(&at_stripe(theirs), now), theirs > ours, "{ours:?} and {theirs:?}");
                assert_eq!(refund.state, ours.max(theirs), "{ours:?} and {theirs:?}");
            }
            let mut refund = Refund::found(&at_stripe(ours), now);
            let (is_requested, failure) = (ours == State::Requested, Some("declined".to_owned()));
            assert_eq!(refund.refuse("declined", now), is_requested, "{ours:?}");
            assert_eq!(refund.state, if is_requested { State::Failed } else { ours });
            assert_eq!(refund.failure == failure, is_requested, "{ours:?}");
        }
        let counts: Vec<_> = State::ALL.into_iter().filter(|state| state.counts()).collect();
        assert_eq!(counts, [State::Requested, State::Pending, State::Succeeded]);
    }
}
