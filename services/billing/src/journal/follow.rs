//! Applies a sale: writes the order and, when it becomes paid, defers the mails to the customer.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, Tx},
    site::SiteUrl,
};

use crate::{
    aftermath::Aftermath,
    domain::{
        order::{Change, Order},
        order_event::{Kind, Party},
        sale::{Sale, State},
        stripe_event::News,
        stripe_id::StripeId,
    },
    fail_point, flows,
    mirror::payments,
    operators, order_mails,
    store::{order_events, orders, refunds},
};

/// Creates or updates the sale's order. Audits and counts it if this call made it paid. The customer gets mails only if that is
/// news; operators get a notice in any case, because the work is owed. If the delayed payment failed, the customer gets a mail too.
pub(super) async fn follow(
    tx: &mut Tx,
    site: &SiteUrl,
    sale: &Sale,
    sold_at: DateTime<Utc>,
    event_id: &StripeId,
    news: News,
    aftermath: &mut Aftermath,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    let payment = sale.terms.as_ref().and_then(|terms| terms.stripe_payment_intent_id.clone());
    if let Some(payment) = &payment {
        // Locks the payment before the order, as everywhere else. The refunds and disputes of the payment are applied to the
        // order below.
        refunds::lock_payment(tx, payment).await?;
    }
    let Some((mut order, is_new)) = order_of(tx, sale, now).await? else { return Ok(()) };
    let is_unlinked = order.stripe_checkout_session_id.is_none();
    order.stripe_checkout_session_id = Some(sale.stripe_checkout_session_id.clone());
    let change = order.apply(sale, sold_at, now);
    if is_new {
        orders::insert(tx, &order).await?;
    } else if change != Change::None {
        orders::update(tx, &order).await?;
    }
    if is_unlinked {
        orders::set_session(tx, order.id, &sale.stripe_checkout_session_id).await?;
    }
    fail_point::ORDER_WRITTEN.reached();
    if change == Change::Moved && sale.state == State::Failed {
        return payment_failed(tx, &order, news.includes(Some(sold_at))).await;
    }
    if change != Change::BecamePaid {
        return Ok(());
    }
    order_events::append(tx, order.id, Kind::Paid, Party::System, "").await?;
    let is_news = news.includes(order.pay_time);
    if is_news {
        order_mails::welcome(tx, site, &order).await?;
        if let Some(receipt) = &sale.receipt {
            order_mails::receipt(tx, &order, receipt).await?;
        }
        flows::follow(tx, &order, Kind::Paid).await?;
    }
    operators::new_order(tx, &order, is_news).await?;
    aftermath.audit("order.paid", &[("order_id", &order.id), ("stripe_event_id", event_id)]);
    aftermath.paid(order.terms.amount.clone(), order.terms.tier);
    match &payment {
        Some(payment) => payments::tell_order(tx, payment, news).await,
        None => Ok(()),
    }
}

/// Adds to the history that the order's delayed payment failed. If that is news, the customer gets a mail.
async fn payment_failed(tx: &mut Tx, order: &Order, is_news: bool) -> Result<(), DbError> {
    order_events::append(tx, order.id, Kind::PaymentFailed, Party::System, "").await?;
    if is_news { order_mails::cancelled(tx, order).await } else { Ok(()) }
}

/// The order of the session, or the one that our checkout made for it, or else a new one; and whether it is new. `None` if the sale
/// makes no order.
async fn order_of(tx: &mut Tx, sale: &Sale, now: DateTime<Utc>) -> Result<Option<(Order, bool)>, DbError> {
    if let Some(order) = orders::lock_by_session(tx, &sale.stripe_checkout_session_id).await? {
        return Ok(Some((order, false)));
    }
    let named = match sale.order_id {
        Some(id) => orders::lock_by_id(tx, id).await?,
        None => None,
    };
    match named {
        Some(order) if order.stripe_checkout_session_id.is_none() => Ok(Some((order, false))),
        // Our checkout made this session, Stripe answered with an error, and the order got a later session: no buyer was sent to this
        // one. Money that arrives by it all the same is another order's.
        Some(_) if sale.state != State::Paid => Ok(None),
        Some(_) | None => Ok(Order::open(sale, now).map(|order| (order, true))),
    }
}
