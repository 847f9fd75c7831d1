//! Writes Stripe's refunds and disputes of a payment into our rows, and updates the order that the payment was for. A refund or a
//! dispute may be known before its order: then the order is updated when it becomes paid.

use levqor_runtime::db::{DbError, Tx};

use crate::{
    aftermath::Aftermath,
    domain::{
        dispute::{self, StripeDispute},
        order::{Change, DisputeState, FulfilmentState, Order},
        order_event::{Kind, Party},
        refund::{Refund, RefundId, State},
        stripe_event::News,
        stripe_id::StripeId,
        stripe_refund::StripeRefund,
    },
    mails, operators,
    store::{disputes, order_events, orders, refunds},
    withdrawing,
};

/// Writes Stripe's state of a refund into its row, and updates the order. The customer gets a mail only about news.
pub(crate) async fn mirror_refund(tx: &mut Tx, at_stripe: &StripeRefund, news: News) -> Result<(), DbError> {
    if let Some(payment) = &at_stripe.payment_intent_id {
        refunds::lock_payment(tx, payment).await?;
    }
    let now = tx.now().await?;
    let known = refunds::lock_by_stripe(tx, &at_stripe.id).await?;
    let known = match (known, at_stripe.refund_id) {
        (None, Some(id)) => refunds::lock(tx, id).await?.filter(|ours| ours.stripe_refund_id.is_none()),
        (known, _) => known,
    };
    let (id, has_just_failed) = if let Some(mut refund) = known {
        let counted = refund.state.counts();
        if refund.mirror(at_stripe, now) {
            refunds::update(tx, &refund).await?;
        }
        (refund.id, counted && !refund.state.counts())
    } else {
        let found = Refund::found(at_stripe, now);
        refunds::insert(tx, &found).await?;
        (found.id, !found.state.counts())
    };
    if let Some(payment) = &at_stripe.payment_intent_id {
        tell_order(tx, payment, news).await?;
    }
    withdrawing::refund_moved(tx, id, has_just_failed, news).await
}

/// Stripe refuses to make a refund of ours. The payment is not locked: a refusal only lowers what counts as paid back, so a
/// transaction that does not see it yet pays back less than it may, and never more.
pub(crate) async fn refuse_refund(tx: &mut Tx, id: RefundId, reason: &str) -> Result<(), DbError> {
    let now = tx.now().await?;
    if let Some(mut refund) = refunds::lock(tx, id).await?
        && refund.refuse(reason, now)
    {
        refunds::update(tx, &refund).await?;
        withdrawing::refund_moved(tx, id, true, News::All).await?;
    }
    Ok(())
}

/// Writes Stripe's state of a dispute into its row, and updates the order. Operators get a notice of a new dispute, with the time
/// until which evidence can be given, and of the decision. They get none of a dispute that was decided in the past.
pub(crate) async fn mirror_dispute(
    tx: &mut Tx,
    at_stripe: &StripeDispute,
    news: News,
    aftermath: &mut Aftermath,
) -> Result<(), DbError> {
    if let Some(payment) = &at_stripe.payment_intent_id {
        refunds::lock_payment(tx, payment).await?;
    }
    let before = disputes::mirror(tx, at_stripe).await?;
    let is_open = at_stripe.state == dispute::State::Open;
    if before.is_none() {
        if is_open || news.includes(None) {
            operators::disputed(tx, at_stripe).await?;
        }
        aftermath.audit("dispute.open", &[("stripe_dispute_id", &at_stripe.id)]);
    }
    if !is_open && before.is_none_or(|before| before == dispute::State::Open) {
        // Operators who got the notice of the dispute also get the notice of its decision.
        if before.is_some() || news.includes(None) {
            operators::dispute_decided(tx, at_stripe).await?;
        }
        withdrawing::dispute_decided(tx, at_stripe).await?;
        aftermath.audit("dispute.close", &[("stripe_dispute_id", &at_stripe.id)]);
    }
    match &at_stripe.payment_intent_id {
        Some(payment) => tell_order(tx, payment, news).await,
        None => Ok(()),
    }
}

/// Updates the order of a payment by the payment's refunds and disputes. The caller has locked the payment.
pub(crate) async fn tell_order(tx: &mut Tx, payment: &StripeId, news: News) -> Result<(), DbError> {
    let Some(mut order) = orders::lock_by_payment(tx, payment).await? else { return Ok(()) };
    if !order.payment_state.is_paid() {
        return Ok(());
    }
    let now = tx.now().await?;
    let (mut total, mut moved) = (0, false);
    for mut refund in refunds::of_payment(tx, payment).await? {
        if refund.state == State::Succeeded {
            total += refund.amount.minor_units;
        }
        let was_known = refund.order_id.is_some();
        let is_first = refund.is_of(order.id);
        if is_first || !was_known {
            refunds::update(tx, &refund).await?;
        }
        if is_first {
            order_events::append(tx, order.id, Kind::Refunded, Party::System, "").await?;
        }
        if is_first && news.includes(refund.made_time) {
            mails::refund_made(tx, &order, &refund).await?;
        }
    }
    let had_ended = order.fulfilment_state == Some(FulfilmentState::Ended);
    match order.refunded(total, now) {
        Ok(change) => moved |= change != Change::None,
        Err(above) => {
            let order_id = order.id.to_string();
            tracing::error!(
                order.id = order_id,
                error = &above as &dyn std::error::Error,
                "a person has to look at a refund"
            );
        }
    }
    for kind in dispute_of(tx, payment, &mut order).await? {
        moved = true;
        order_events::append(tx, order.id, kind, Party::System, "").await?;
    }
    if moved {
        orders::update(tx, &order).await?;
    }
    if !had_ended && order.fulfilment_state == Some(FulfilmentState::Ended) {
        order_events::append(tx, order.id, Kind::Ended, Party::System, "").await?;
        operators::not_overdue(tx, &order).await?;
    }
    Ok(())
}

/// Updates the order by the payment's disputes. Returns the entries for the order's history: the opening precedes the
/// decision, even if both become known at the same time.
async fn dispute_of(tx: &mut Tx, payment: &StripeId, order: &mut Order) -> Result<Vec<Kind>, DbError> {
    let now = tx.now().await?;
    let states = disputes::of_payment(tx, payment).await?;
    let Some(state) = states.into_iter().max() else { return Ok(Vec::new()) };
    let mut steps = Vec::new();
    if order.disputed(DisputeState::Open, now) != Change::None {
        steps.push(Kind::DisputeOpened);
    }
    let (state, kind) = match state {
        dispute::State::Open => return Ok(steps),
        dispute::State::Won => (DisputeState::Won, Kind::DisputeWon),
        dispute::State::Lost => (DisputeState::Lost, Kind::DisputeLost),
    };
    if order.disputed(state, now) != Change::None {
        steps.push(kind);
    }
    Ok(steps)
}
