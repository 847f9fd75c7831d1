//! The "done for you" order in a checkout session: whether the session sells one, its terms, and its state.

use levqor_runtime::email::Email;

use super::{
    checkout_session::{CheckoutSession, Mode, PaymentStatus, Status},
    money::Money,
    not_understood::NotUnderstood,
    order::{State, Tier},
    stripe_event::SessionEvent,
    stripe_id::StripeId,
};

/// The value of `metadata.mode` that our checkout writes for "done for you" work.
const DONE_FOR_YOU: &str = "dfy";

/// A session that sells an order, as it was at one time.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Sale {
    pub(crate) stripe_checkout_session_id: StripeId,
    pub(crate) state: State,
    /// Absent only if the checkout ended without payment. Nothing is owed then, so the terms are not needed.
    pub(crate) terms: Option<Terms>,
}

/// What was bought, by whom, for how much.
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

impl Sale {
    /// Reads a sale from the session. Returns `None` if the session sells something else. Returns an error if the session may
    /// sell an order but a necessary field is missing or malformed.
    pub(crate) fn read(
        session: &CheckoutSession,
        event: SessionEvent,
    ) -> Result<Option<Self>, NotUnderstood> {
        let sells_order = session.sells.as_deref().is_none_or(|sells| sells == DONE_FOR_YOU);
        if session.mode != Mode::Payment || !sells_order {
            return Ok(None);
        }
        let state = state(session, event);
        let terms = match state {
            State::Cancelled => Terms::read(session).ok(),
            State::PendingPayment | State::Paid => Some(Terms::read(session)?),
        };
        Ok(Some(Self { stripe_checkout_session_id: session.id.clone(), state, terms }))
    }
}

impl Terms {
    fn read(session: &CheckoutSession) -> Result<Self, NotUnderstood> {
        let tier = session.plan.as_deref().and_then(Tier::of_plan).ok_or(NotUnderstood::Plan)?;
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
    // Old API versions have no status. There only the event tells it.
    let status = session.status.unwrap_or(match event {
        SessionEvent::Expired => Status::Expired,
        SessionEvent::Completed | SessionEvent::AsyncPaymentSucceeded | SessionEvent::AsyncPaymentFailed => {
            Status::Complete
        }
    });
    match (session.payment_status, status) {
        (PaymentStatus::Paid, _) | (PaymentStatus::NoPaymentRequired, Status::Complete) => State::Paid,
        (_, Status::Expired) => State::Cancelled,
        (_, Status::Open | Status::Complete) if event == SessionEvent::AsyncPaymentFailed => State::Cancelled,
        (_, Status::Open | Status::Complete) => State::PendingPayment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(change: impl FnOnce(&mut Value), event: SessionEvent) -> Result<Option<Sale>, NotUnderstood> {
        let mut object = json!({
            "id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "currency": "gbp",
            "amount_subtotal": 9900, "amount_total": 9900, "metadata": {"mode": "DFY", "plan": "Starter"},
            "customer_details": {"email": "a@example.com", "name": "Ada"},
        });
        change(&mut object);
        Sale::read(&CheckoutSession::read(&object).expect("a session"), event)
    }

    fn state_of(change: impl FnOnce(&mut Value), event: SessionEvent) -> State {
        read(change, event).expect("understood").expect("a sale").state
    }

    #[test]
    fn payment_status_decides_not_the_name_of_the_event() {
        use SessionEvent::{AsyncPaymentFailed, AsyncPaymentSucceeded, Completed, Expired};
        assert_eq!(state_of(|_| (), Completed), State::Paid);
        for event in [Completed, AsyncPaymentSucceeded] {
            assert_eq!(state_of(|s| s["payment_status"] = json!("unpaid"), event), State::PendingPayment);
        }
        for event in [AsyncPaymentFailed, Expired] {
            assert_eq!(state_of(|_| (), event), State::Paid, "money is money");
        }
        assert_eq!(state_of(|s| s["payment_status"] = json!("unpaid"), AsyncPaymentFailed), State::Cancelled);
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
        assert_eq!(state_of(free("open"), SessionEvent::Completed), State::PendingPayment);
        assert_eq!(state_of(free("expired"), SessionEvent::Expired), State::Cancelled);
    }

    #[test]
    fn only_payments_for_done_for_you_work_sell_an_order() {
        for mode in ["subscription", "setup"] {
            assert_eq!(read(|s| s["mode"] = json!(mode), SessionEvent::Completed), Ok(None));
        }
        assert_eq!(read(|s| s["metadata"]["mode"] = json!("credits"), SessionEvent::Completed), Ok(None));
        let sale = read(|s| s["metadata"] = json!({"plan": "STARTER"}), SessionEvent::Completed);
        assert_eq!(
            sale.expect("understood").and_then(|sale| sale.terms).map(|terms| terms.tier),
            Some(Tier::Starter)
        );
    }

    #[test]
    fn what_must_be_known_of_a_sale_is_never_guessed() {
        let refused = |change: fn(&mut Value)| read(change, SessionEvent::Completed).err();
        assert_eq!(refused(|s| s["metadata"] = Value::Null), Some(NotUnderstood::Plan));
        assert_eq!(refused(|s| s["metadata"]["plan"] = json!("growth")), Some(NotUnderstood::Plan));
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
    fn an_abandoned_checkout_need_not_say_anything() {
        let abandoned = |s: &mut Value| {
            *s = json!({"id": "cs_1", "mode": "payment", "status": "expired", "payment_status": "unpaid"});
        };
        let sale = read(abandoned, SessionEvent::Expired).expect("understood").expect("a sale");
        assert_eq!((sale.state, sale.terms), (State::Cancelled, None));
    }
}
