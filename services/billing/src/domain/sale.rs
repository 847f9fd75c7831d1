//! The sale of a checkout session: a "done for you" order of ours, a subscription of ours, or something that is not ours.
//!
//! A session is ours if it carries the id of an order or a subscription of ours, or if its metadata `mode` and `plan` name our
//! catalogue, or if each of its lines has one of our prices. Every other session belongs to another business of the account: it may be
//! anything.

use levqor_runtime::email::Email;

use super::{
    catalogue::{DFY_ENTERPRISE, DFY_PROFESSIONAL, DFY_STARTER},
    checkout_session::{CheckoutSession, Mode, PaymentStatus, Receipt, Status},
    money::Money,
    not_understood::NotUnderstood,
    order::{OrderId, PaymentState, Tier},
    plan::Plan,
    stripe_event::SessionEvent,
    stripe_id::StripeId,
    stripe_subscription::{KnownPrices, SUBSCRIPTION},
};

/// The value of `metadata.mode` that our checkout writes for "done for you" work.
pub(crate) const DONE_FOR_YOU: &str = "dfy";

/// The sale of a session.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Sells {
    /// An order of ours.
    Order(Box<Sale>),
    /// A subscription of ours.
    Subscription,
    /// Something that is not ours.
    Other,
}

/// The payment of a session, as it was at one time. Refunds are not part of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The session is not paid.
    Pending,
    /// The checkout ended without payment.
    Cancelled,
    /// The checkout was completed, and its delayed payment failed.
    Failed,
    /// The session is paid.
    Paid,
}

impl From<State> for PaymentState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Cancelled | State::Failed => Self::Cancelled,
            State::Paid => Self::Paid,
        }
    }
}

/// A session that sells an order, as it was at one time.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Sale {
    pub(crate) stripe_checkout_session_id: StripeId,
    /// The order that our checkout made before the session.
    pub(crate) order_id: Option<OrderId>,
    pub(crate) state: State,
    /// Absent only if the checkout ended without payment. Nothing is owed then, so the terms are not needed.
    pub(crate) terms: Option<Terms>,
    /// Stripe's receipt for the payment. Absent if Stripe was not asked, or has none.
    pub(crate) receipt: Option<Receipt>,
}

/// The bought item, its buyer, and its price.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Terms {
    pub(crate) tier: Tier,
    pub(crate) amount: Money,
    pub(crate) customer_email: Email,
    pub(crate) customer_name: String,
    pub(crate) stripe_customer_id: Option<StripeId>,
    pub(crate) stripe_payment_intent_id: Option<StripeId>,
}

impl Sells {
    /// Reads the sale of the session. Returns an error if it sells an order of ours, but a necessary field is missing or
    /// malformed.
    pub(crate) fn read(
        session: &CheckoutSession,
        event: SessionEvent,
        prices: &KnownPrices,
    ) -> Result<Self, NotUnderstood> {
        let sells = |mode: &str| session.sells.as_deref() == Some(mode);
        let plan = session.plan.as_deref();
        let ours = || only_our_prices(session, prices);
        match session.mode {
            Mode::Payment => {
                let labelled = sells(DONE_FOR_YOU) && plan.and_then(Tier::of_plan).is_some();
                if session.our_order.is_none() && !labelled && !ours() {
                    return Ok(Self::Other);
                }
                Ok(Self::Order(Box::new(Sale::read(session, event, prices)?)))
            }
            Mode::Subscription => {
                let labelled = sells(SUBSCRIPTION) && plan.and_then(Plan::of_label).is_some();
                let is_ours = session.our_subscription.is_some() || labelled || ours();
                Ok(if is_ours { Self::Subscription } else { Self::Other })
            }
            Mode::Setup => Ok(Self::Other),
        }
    }
}

/// Whether each line of the session has one of our prices.
fn only_our_prices(session: &CheckoutSession, prices: &KnownPrices) -> bool {
    let lines = session.line_prices.as_deref().unwrap_or_default();
    let is_ours = |id: &StripeId| prices.iter().any(|(_, ours)| ours == id);
    !lines.is_empty() && lines.iter().all(is_ours)
}

/// The tier that the session's plan names or, without a plan, the price of its only line.
fn tier(session: &CheckoutSession, prices: &KnownPrices) -> Option<Tier> {
    if let Some(plan) = session.plan.as_deref() {
        return Tier::of_plan(plan);
    }
    let [line] = session.line_prices.as_deref()? else { return None };
    let (price, _) = prices.iter().find(|(_, id)| id == line)?;
    let tiers = [
        (DFY_STARTER, Tier::Starter),
        (DFY_PROFESSIONAL, Tier::Professional),
        (DFY_ENTERPRISE, Tier::Enterprise),
    ];
    tiers.into_iter().find(|(of_tier, _)| of_tier == price).map(|(_, tier)| tier)
}

impl Sale {
    /// Reads the sale of a session that sells an order of ours.
    pub(super) fn read(
        session: &CheckoutSession,
        event: SessionEvent,
        prices: &KnownPrices,
    ) -> Result<Self, NotUnderstood> {
        let state = state(session, event);
        let terms = Terms::read(session, prices);
        let terms = match state {
            State::Cancelled | State::Failed => terms.ok(),
            State::Pending | State::Paid => Some(terms?),
        };
        let stripe_checkout_session_id = session.id.clone();
        let receipt = session.receipt.clone();
        Ok(Self { stripe_checkout_session_id, order_id: session.our_order, state, terms, receipt })
    }
}

impl Terms {
    fn read(session: &CheckoutSession, prices: &KnownPrices) -> Result<Self, NotUnderstood> {
        let tier = tier(session, prices).ok_or(NotUnderstood::Plan)?;
        let amount = session.total.clone().ok_or(NotUnderstood::Field("amount_total or currency"))?;
        session.price.compare(tier.list_price())?;
        Ok(Self {
            tier,
            amount,
            customer_email: session.customer_email.clone().ok_or(NotUnderstood::Field("customer e-mail"))?,
            customer_name: session.customer_name.clone(),
            stripe_customer_id: session.customer_id.clone(),
            stripe_payment_intent_id: session.payment_intent_id.clone(),
        })
    }
}

/// `payment_status` decides whether an order is paid, and not the event's name. The event adds only what the session does not
/// say: that a delayed payment failed.
fn state(session: &CheckoutSession, event: SessionEvent) -> State {
    // Old API versions have no status. Then only the event's type says that the session expired.
    let status = session.status.unwrap_or(match event {
        SessionEvent::Expired => Status::Expired,
        SessionEvent::Completed | SessionEvent::AsyncPaymentSucceeded | SessionEvent::AsyncPaymentFailed => {
            Status::Complete
        }
    });
    match (session.payment_status, status) {
        (PaymentStatus::Paid, _) | (PaymentStatus::NoPaymentRequired, Status::Complete) => State::Paid,
        (_, Status::Expired) => State::Cancelled,
        (_, Status::Open | Status::Complete) if event == SessionEvent::AsyncPaymentFailed => State::Failed,
        (_, Status::Open | Status::Complete) => State::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sells(change: impl FnOnce(&mut Value), event: SessionEvent) -> Result<Sells, NotUnderstood> {
        let mut object = json!({
            "id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "currency": "gbp",
            "amount_subtotal": 9900, "amount_total": 9900, "metadata": {"mode": "DFY", "plan": "Starter"},
            "customer_details": {"email": "a@example.com", "name": "Ada"},
        });
        change(&mut object);
        let prices = [(DFY_PROFESSIONAL, "price_ours".parse().expect("an id"))];
        Sells::read(&CheckoutSession::read(&object).expect("a session"), event, &prices)
    }

    fn read(change: impl FnOnce(&mut Value), event: SessionEvent) -> Result<Option<Sale>, NotUnderstood> {
        sells(change, event).map(|sells| match sells {
            Sells::Order(sale) => Some(*sale),
            Sells::Subscription | Sells::Other => None,
        })
    }

    fn state_of(change: impl FnOnce(&mut Value), event: SessionEvent) -> State {
        read(change, event).expect("understood").expect("a sale").state
    }

    #[test]
    fn payment_status_decides_and_not_the_events_type() {
        use SessionEvent::{AsyncPaymentFailed, AsyncPaymentSucceeded, Completed, Expired};
        assert_eq!(state_of(|_| (), Completed), State::Paid);
        for event in [Completed, AsyncPaymentSucceeded] {
            assert_eq!(state_of(|s| s["payment_status"] = json!("unpaid"), event), State::Pending);
        }
        for event in [AsyncPaymentFailed, Expired] {
            assert_eq!(state_of(|_| (), event), State::Paid, "money is money");
        }
        assert_eq!(state_of(|s| s["payment_status"] = json!("unpaid"), AsyncPaymentFailed), State::Failed);
    }

    #[test]
    fn a_free_order_counts_once_the_checkout_is_complete() {
        let free = |status: &'static str| {
            move |s: &mut Value| {
                s["payment_status"] = json!("no_payment_required");
                s["amount_total"] = json!(0);
                s["total_details"] = json!({"amount_discount": 9900});
                s["amount_subtotal"] = json!(9900);
                s["status"] = json!(status);
            }
        };
        assert_eq!(state_of(free("complete"), SessionEvent::Completed), State::Paid);
        assert_eq!(state_of(free("open"), SessionEvent::Completed), State::Pending);
        assert_eq!(state_of(free("expired"), SessionEvent::Expired), State::Cancelled);
    }

    #[test]
    fn only_objects_that_name_our_catalogue_or_rows_are_ours() {
        use SessionEvent::Completed;
        let sold = |change: fn(&mut Value)| sells(change, Completed).expect("understood");
        for other in [
            |s: &mut Value| s["mode"] = json!("setup"),
            |s: &mut Value| s["metadata"]["mode"] = json!("credits"),
            |s: &mut Value| s["metadata"] = json!({"plan": "STARTER"}),
            |s: &mut Value| s["metadata"]["plan"] = json!("growth"),
            |s: &mut Value| s["metadata"] = Value::Null,
            |s: &mut Value| s["mode"] = json!("subscription"),
            |s: &mut Value| {
                s["metadata"] = Value::Null;
                s["line_items"] =
                    json!({"data": [{"price": {"id": "price_ours"}}, {"price": {"id": "price_other"}}]});
            },
            |s: &mut Value| {
                s["metadata"] = Value::Null;
                s["line_items"] = json!({"data": [{"price": {"id": "price_ours"}}], "has_more": true});
            },
        ] {
            assert_eq!(sold(other), Sells::Other);
        }
        let subscription = sold(|s| {
            s["mode"] = json!("subscription");
            s["metadata"] = json!({"mode": "subscription", "plan": "Growth"});
        });
        assert_eq!(subscription, Sells::Subscription);
    }

    #[test]
    fn a_session_whose_only_line_has_our_price_sells_that_tier() {
        let by_price = |s: &mut Value| {
            s["metadata"] = json!({});
            s["line_items"] = json!({"data": [{"price": {"id": "price_ours"}}], "has_more": false});
            s["amount_subtotal"] = json!(24_900);
            s["amount_total"] = json!(24_900);
        };
        let sale = read(by_price, SessionEvent::Completed).expect("understood").expect("a sale");
        assert_eq!(sale.terms.map(|terms| terms.tier), Some(Tier::Professional));
    }

    #[test]
    fn necessary_facts_of_a_sale_are_never_guessed() {
        let refused = |change: fn(&mut Value)| read(change, SessionEvent::Completed).err();
        let ours = "0190b2c4-0000-7000-8000-000000000000";
        let no_plan = |s: &mut Value| s["metadata"] = json!({"order_id": ours});
        assert_eq!(read(no_plan, SessionEvent::Completed), Err(NotUnderstood::Plan));
        let amount = NotUnderstood::Field("amount_total or currency");
        assert_eq!(refused(|s| s["amount_total"] = json!("9900")), Some(amount));
        assert_eq!(refused(|s| s["currency"] = Value::Null), Some(amount));
        let email = NotUnderstood::Field("customer e-mail");
        assert_eq!(refused(|s| s["customer_details"] = Value::Null), Some(email));
        assert_eq!(refused(|s| s["customer_details"]["email"] = json!("nobody")), Some(email));
    }

    #[test]
    fn a_plan_that_was_not_paid_for_at_its_price_is_not_sold() {
        let paid = |amount: i64, currency: &'static str| {
            move |s: &mut Value| {
                s["metadata"]["plan"] = json!("enterprise");
                s["currency"] = json!(currency);
                s["amount_subtotal"] = json!(amount);
                s["amount_total"] = json!(amount);
            }
        };
        let sale = read(paid(59_900, "gbp"), SessionEvent::Completed).expect("understood").expect("a sale");
        assert_eq!(sale.terms.map(|terms| terms.tier), Some(Tier::Enterprise));
        for (amount, currency) in [(1, "gbp"), (0, "gbp"), (9900, "gbp"), (59_900, "vnd"), (59_900, "usd")] {
            let refused = read(paid(amount, currency), SessionEvent::Completed).err();
            assert!(matches!(refused, Some(NotUnderstood::Price(_))), "{amount} {currency}: {refused:?}");
        }
    }

    #[test]
    fn an_abandoned_checkout_may_lack_all_fields() {
        let abandoned = |s: &mut Value| {
            *s = json!({"id": "cs_1", "mode": "payment", "status": "expired", "payment_status": "unpaid",
                        "metadata": {"mode": "dfy", "plan": "starter"}});
        };
        let sale = read(abandoned, SessionEvent::Expired).expect("understood").expect("a sale");
        assert_eq!((sale.state, sale.terms), (State::Cancelled, None));
    }
}
