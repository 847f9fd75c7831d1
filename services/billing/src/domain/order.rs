//! "Done for you" orders. An order has two independent states. The state of the payment is Stripe's. It never moves back, so
//! late, repeated and reordered events give the same result. The state of the work is ours, and begins when the order is paid.

mod fulfilment;
mod payment;
#[cfg(test)]
mod tests;
mod tier;
mod work;

use chrono::{DateTime, Utc};
use levqor_runtime::typed_id;

pub(crate) use self::{
    fulfilment::{Action, FulfilmentState, IllegalMove},
    payment::{DisputeState, PaymentState},
    tier::Tier,
    work::{ACCEPTANCE_PERIOD, Checklist, NotPossible},
};
use super::{
    sale::{Sale, Terms},
    stripe_id::StripeId,
};

typed_id!(pub(crate) OrderId, "an order");

/// Work that a customer pays us to do for them.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// The user who may see the order. `None` until the first access with the order's mail address.
    pub(crate) owner_sub: Option<String>,
    pub(crate) terms: Terms,
    /// `None` from the request of a checkout until Stripe has made the session.
    pub(crate) stripe_checkout_session_id: Option<StripeId>,
    pub(crate) payment_state: PaymentState,
    pub(crate) dispute_state: DisputeState,
    /// `None` until the order is paid.
    pub(crate) fulfilment_state: Option<FulfilmentState>,
    /// The money that arrived, in minor units of the currency of `terms.amount`.
    pub(crate) paid_minor: i64,
    /// The money that was paid back, in the same units.
    pub(crate) refunded_minor: i64,
    pub(crate) revisions_left: i32,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    pub(crate) pay_time: Option<DateTime<Utc>>,
    /// When the intake form was submitted.
    pub(crate) submit_time: Option<DateTime<Utc>>,
    /// When the delivery is due.
    pub(crate) due_time: Option<DateTime<Utc>>,
    /// When the operators got the notice of the overdue delivery.
    pub(crate) overdue_time: Option<DateTime<Utc>>,
    /// When the work was last delivered.
    pub(crate) deliver_time: Option<DateTime<Utc>>,
    /// When the work was accepted. `None` unless it is accepted now.
    pub(crate) accept_time: Option<DateTime<Utc>>,
}

/// The order has no owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order has no owner")]
pub(crate) struct NotOwned;

/// More was paid back than was paid. The reason is unknown, so a person has to look.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("more was refunded than was paid")]
pub(crate) struct RefundAbovePayment;

/// What an event of Stripe changed in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: the event came late or again.
    None,
    /// The order has to be saved.
    Moved,
    /// The order became paid and has to be saved. This happens once in an order's life.
    BecamePaid,
}

impl Order {
    /// Creates an order with its first state. Returns `None` if the sale ended without terms.
    pub(crate) fn open(sale: &Sale, now: DateTime<Utc>) -> Option<Self> {
        let session = Some(sale.stripe_checkout_session_id.clone());
        Some(Self::unpaid(OrderId::new_at(now), None, sale.terms.clone()?, session, now))
    }

    /// An order that our checkout is about to sell, for the list price.
    pub(crate) fn pending(id: OrderId, owner_sub: String, terms: Terms, now: DateTime<Utc>) -> Self {
        Self::unpaid(id, Some(owner_sub), terms, None, now)
    }

    fn unpaid(
        id: OrderId,
        owner_sub: Option<String>,
        terms: Terms,
        stripe_checkout_session_id: Option<StripeId>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            owner_sub,
            revisions_left: terms.tier.revisions(),
            terms,
            stripe_checkout_session_id,
            payment_state: PaymentState::Pending,
            dispute_state: DisputeState::None,
            fulfilment_state: None,
            paid_minor: 0,
            refunded_minor: 0,
            create_time: now,
            update_time: now,
            pay_time: None,
            submit_time: None,
            due_time: None,
            overdue_time: None,
            deliver_time: None,
            accept_time: None,
        }
    }

    /// Cancels an unpaid order, because its checkout will not be finished. Returns whether this changed the state.
    pub(crate) fn abandon(&mut self, now: DateTime<Utc>) -> bool {
        let is_news = self.payment_state == PaymentState::Pending;
        if is_news {
            self.payment_state = PaymentState::Cancelled;
            self.update_time = now;
        }
        is_news
    }

    /// Ends the work on an order that cost nothing: there is nothing to pay back.
    pub(crate) fn end_free(&mut self, now: DateTime<Utc>) -> Result<(), IllegalMove> {
        if let Some(state) = self.fulfilment_state {
            self.fulfilment_state = Some(state.after(Action::End)?);
            self.update_time = now;
        }
        Ok(())
    }

    /// Removes the owner. The order then has none until a customer with its verified address claims it.
    pub(crate) fn release(&mut self, now: DateTime<Utc>) -> Result<(), NotOwned> {
        self.owner_sub.take().ok_or(NotOwned)?;
        self.update_time = now;
        Ok(())
    }

    /// Raises the payment to the sale's state, if that is higher, and takes the sale's terms. `sold_at` is Stripe's time. If
    /// several events say when the order was paid, the earliest time counts, in whatever sequence they arrive.
    pub(crate) fn apply(&mut self, sale: &Sale, sold_at: DateTime<Utc>, now: DateTime<Utc>) -> Change {
        let reached = PaymentState::from(sale.state);
        if reached.is_paid() && self.pay_time.is_some_and(|pay_time| sold_at < pay_time) {
            self.pay_time = Some(sold_at);
            self.update_time = now;
            return Change::Moved;
        }
        if reached <= self.payment_state {
            return Change::None;
        }
        self.payment_state = reached;
        self.update_time = now;
        if let Some(terms) = &sale.terms {
            self.terms = terms.clone();
            self.revisions_left = terms.tier.revisions();
        }
        if reached.is_paid() {
            self.pay_time = Some(sold_at);
            self.paid_minor = self.terms.amount.minor_units;
            self.fulfilment_state = Some(FulfilmentState::AwaitingIntake);
            return Change::BecamePaid;
        }
        Change::Moved
    }

    /// Takes the total that Stripe says was paid back, in minor units. A lower total changes nothing. Once everything is paid
    /// back, the work ends.
    pub(crate) fn refunded(
        &mut self,
        total_minor: i64,
        now: DateTime<Utc>,
    ) -> Result<Change, RefundAbovePayment> {
        if total_minor <= self.refunded_minor {
            return Ok(Change::None);
        }
        if total_minor > self.paid_minor {
            return Err(RefundAbovePayment);
        }
        self.refunded_minor = total_minor;
        self.update_time = now;
        self.payment_state = if total_minor == self.paid_minor {
            self.fulfilment_state = Some(FulfilmentState::Ended);
            PaymentState::Refunded
        } else {
            PaymentState::PartiallyRefunded
        };
        Ok(Change::Moved)
    }

    /// Applies the state of a dispute from Stripe. A late event changes nothing.
    pub(crate) fn disputed(&mut self, state: DisputeState, now: DateTime<Utc>) -> Change {
        if !self.payment_state.is_paid() || !self.dispute_state.rises_to(state) {
            return Change::None;
        }
        self.dispute_state = state;
        self.update_time = now;
        Change::Moved
    }
}
