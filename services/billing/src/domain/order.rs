//! "Done for you" orders. An order's state only rises, so late, repeated and reordered events give the same result.

use chrono::{DateTime, Utc};
use levqor_proto_billing::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::{
    catalogue,
    sale::{Sale, Terms},
    stripe_id::StripeId,
};

typed_id!(pub(crate) OrderId, "an order");

wire_enum! {
    /// The state of an order, in ascending order. An order's state only rises, so the result does not depend on the order of the
    /// events. Paid is above cancelled, because a customer who paid is owed the work.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum State: wire::order::State {
        /// The order is not paid.
        PendingPayment = "PENDING_PAYMENT",
        /// The checkout ended without payment.
        Cancelled = "CANCELLED",
        /// The order is paid.
        Paid = "PAID",
    }
}

wire_enum! {
    /// The size of an order, which decides what it includes.
    pub(crate) enum Tier: wire::order::Tier {
        /// The smallest tier.
        Starter = "STARTER",
        /// The middle tier.
        Professional = "PROFESSIONAL",
        /// The largest tier.
        Enterprise = "ENTERPRISE",
    }
}

impl Tier {
    /// The tier of a plan's name in a checkout session, which is lower case.
    pub(crate) fn of_plan(plan: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.title().to_lowercase() == plan)
    }

    /// The price in pence, before discounts and tax.
    pub(crate) const fn list_price(self) -> i64 {
        match self {
            Self::Starter => catalogue::DFY_STARTER.amount,
            Self::Professional => catalogue::DFY_PROFESSIONAL.amount,
            Self::Enterprise => catalogue::DFY_ENTERPRISE.amount,
        }
    }

    /// The name that customers read.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Starter => "Starter",
            Self::Professional => "Professional",
            Self::Enterprise => "Enterprise",
        }
    }

    /// The delivery time, counted from the intake form, as customers read it.
    pub(crate) const fn delivery_time(self) -> &'static str {
        match self {
            Self::Starter => "48 hours",
            Self::Professional => "4 days",
            Self::Enterprise => "7 days",
        }
    }

    /// The number of revisions that are included.
    pub(crate) const fn revisions(self) -> i32 {
        match self {
            Self::Starter => 1,
            Self::Professional => 2,
            Self::Enterprise => 3,
        }
    }
}

/// Work that a customer pays us to do for them.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// The user who may see the order. `None` until the first access with the order's mail address.
    pub(crate) owner_sub: Option<String>,
    pub(crate) terms: Terms,
    pub(crate) stripe_checkout_session_id: StripeId,
    pub(crate) state: State,
    pub(crate) revisions_left: i32,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    pub(crate) pay_time: Option<DateTime<Utc>>,
}

/// The order has no owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order has no owner")]
pub(crate) struct NotOwned;

/// What a sale changed in an order.
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
        let terms = sale.terms.clone()?;
        Some(Self {
            id: OrderId::new_at(now),
            owner_sub: None,
            revisions_left: terms.tier.revisions(),
            terms,
            stripe_checkout_session_id: sale.stripe_checkout_session_id.clone(),
            state: State::PendingPayment,
            create_time: now,
            update_time: now,
            pay_time: None,
        })
    }

    /// Removes the owner. The order then has none until somebody with its verified address claims it.
    pub(crate) fn release(&mut self, now: DateTime<Utc>) -> Result<(), NotOwned> {
        self.owner_sub.take().ok_or(NotOwned)?;
        self.update_time = now;
        Ok(())
    }

    /// Raises the order to the sale's state, if that is higher, and takes the sale's terms. `sold_at` is Stripe's time. If
    /// several events say when the order was paid, the earliest time counts, whichever event comes first.
    pub(crate) fn apply(&mut self, sale: &Sale, sold_at: DateTime<Utc>, now: DateTime<Utc>) -> Change {
        if sale.state == State::Paid && self.pay_time.is_some_and(|pay_time| sold_at < pay_time) {
            self.pay_time = Some(sold_at);
            self.update_time = now;
            return Change::Moved;
        }
        if sale.state <= self.state {
            return Change::None;
        }
        self.state = sale.state;
        self.update_time = now;
        if let Some(terms) = &sale.terms {
            self.terms = terms.clone();
            self.revisions_left = terms.tier.revisions();
        }
        if self.state == State::Paid {
            self.pay_time = Some(sold_at);
            return Change::BecamePaid;
        }
        Change::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{checkout_session::CheckoutSession, stripe_event::SessionEvent};
    use proptest::prelude::*;
    use serde_json::json;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("an instant")
    }

    /// Sales of one session, each with its time.
    type Story = Vec<(Sale, i64)>;

    /// Applies a list of sales of one session. Returns the order, and how often it became paid.
    fn play(sales: &[(Sale, i64)]) -> (Option<Order>, usize) {
        let (mut order, mut payments) = (None::<Order>, 0);
        for (sale, second) in sales {
            order = order.or_else(|| Order::open(sale, at(0)));
            let change = order.as_mut().map(|order| order.apply(sale, at(*second), at(9)));
            payments += usize::from(change == Some(Change::BecamePaid));
        }
        (order, payments)
    }

    fn sale(event: SessionEvent, status: &str, payment_status: &str) -> Sale {
        let object = json!({
            "id": "cs_1", "mode": "payment", "status": status, "payment_status": payment_status, "currency": "gbp",
            "amount_subtotal": 24900, "amount_total": 24900, "metadata": {"mode": "dfy", "plan": "professional"},
            "customer_details": {"email": "a@example.com"},
        });
        let session = CheckoutSession::read(&object).expect("a session");
        Sale::read(&session, event).expect("understood").expect("a sale")
    }

    fn any_sale() -> impl Strategy<Value = Sale> {
        let events = vec![
            SessionEvent::Completed,
            SessionEvent::AsyncPaymentSucceeded,
            SessionEvent::AsyncPaymentFailed,
            SessionEvent::Expired,
        ];
        let statuses = vec!["open", "complete", "expired"];
        let payments = vec!["paid", "unpaid", "no_payment_required"];
        let parts =
            (prop::sample::select(events), prop::sample::select(statuses), prop::sample::select(payments));
        parts.prop_map(|(event, status, payment_status)| sale(event, status, payment_status))
    }

    /// A session's events, each with its own time, and the same events shuffled, some of them repeated.
    fn twice_told() -> impl Strategy<Value = (Story, Story)> {
        prop::collection::vec(any_sale(), 1..6).prop_flat_map(|sales| {
            let sales: Vec<_> = sales.into_iter().zip(1..).collect();
            let doubled = prop::collection::vec(prop::sample::select(sales.clone()), 0..6).prop_map({
                let sales = sales.clone();
                move |more| [sales.clone(), more].concat()
            });
            (Just(sales), doubled.prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn late_doubled_and_shuffled_events_end_the_same((told, retold) in twice_told()) {
            let ((order, payments), (again, payments_again)) = (play(&told), play(&retold));
            let outcome = |order: Option<Order>| order.map(|o| (o.state, o.terms, o.revisions_left, o.pay_time));
            prop_assert_eq!(outcome(order), outcome(again));
            prop_assert_eq!(payments, payments_again);
            prop_assert!(payments <= 1, "the money comes once");
        }

        #[test]
        fn a_paid_order_never_goes_back(told in prop::collection::vec(any_sale(), 0..6)) {
            let mut order = Order::open(&told.first().cloned().unwrap_or_else(paid), at(0)).expect("an order");
            order.apply(&paid(), at(1), at(1));
            for (sale, second) in told.iter().zip(2..) {
                prop_assert_eq!(order.apply(sale, at(second), at(second)), Change::None);
            }
            prop_assert_eq!((order.state, order.pay_time), (State::Paid, Some(at(1))));
        }
    }

    fn paid() -> Sale {
        sale(SessionEvent::Completed, "complete", "paid")
    }

    #[test]
    fn a_cancelled_checkout_moves_only_an_unpaid_order() {
        let cancelled = sale(SessionEvent::AsyncPaymentFailed, "complete", "unpaid");
        let (order, payments) =
            play(&[(sale(SessionEvent::Completed, "complete", "unpaid"), 1), (cancelled.clone(), 2)]);
        assert_eq!((order.map(|o| (o.state, o.pay_time)), payments), (Some((State::Cancelled, None)), 0));
        let (order, payments) = play(&[(paid(), 1), (cancelled, 2)]);
        assert_eq!((order.map(|order| order.state), payments), (Some(State::Paid), 1));
    }

    #[test]
    fn a_checkout_that_ended_before_it_had_terms_opens_no_order() {
        let sale = Sale { terms: None, ..sale(SessionEvent::Expired, "expired", "unpaid") };
        assert!(play(&[(sale, 1)]).0.is_none());
    }

    #[test]
    fn a_plan_is_the_name_of_a_tier_in_lower_case() {
        for tier in Tier::ALL {
            assert_eq!(Tier::of_plan(&tier.as_str().to_lowercase()), Some(tier));
        }
    }
}
