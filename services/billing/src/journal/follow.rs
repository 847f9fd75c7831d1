//! Applies a sale: writes the order and, when it becomes paid, defers the mails to the customer.

use chrono::{DateTime, Utc};
use levqor_proto_mail::v1::{
    OrderIntakeRequest, OrderWelcome, SendMessageRequest, send_message_request::Content,
};
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
};

use crate::{
    domain::{
        order::{Change, Order},
        sale::Sale,
    },
    fail_point,
    store::orders,
};

/// Creates or updates the sale's order. Returns the order only if this call made it paid.
pub(super) async fn follow(
    tx: &mut Tx,
    sale: &Sale,
    sold_at: DateTime<Utc>,
) -> Result<Option<Order>, DbError> {
    let now = tx.now().await?;
    let known = orders::lock_by_session(tx, &sale.stripe_checkout_session_id).await?;
    let is_new = known.is_none();
    let Some(mut order) = known.or_else(|| Order::open(sale, now)) else { return Ok(None) };
    let change = order.apply(sale, sold_at, now);
    if is_new {
        orders::insert(tx, &order).await?;
    } else if change != Change::None {
        orders::update(tx, &order).await?;
    }
    fail_point::ORDER_WRITTEN.reached();
    if change != Change::BecamePaid {
        return Ok(None);
    }
    welcome(tx, &order).await?;
    Ok(Some(order))
}

/// Defers the welcome mail and the mail that asks for the intake form. Their idempotency keys make sure that each mail is sent
/// only once.
async fn welcome(tx: &mut Tx, order: &Order) -> Result<(), DbError> {
    let (order_id, terms) = (order.id.to_string(), &order.terms);
    let tier = terms.tier.title().to_owned();
    let message = |content| SendMessageRequest {
        recipient: terms.customer_email.as_str().to_owned(),
        about: format!("order:{order_id}"),
        content: Some(content),
    };
    let welcome = message(Content::OrderWelcome(OrderWelcome {
        customer_name: terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier: tier.clone(),
        amount: Some(terms.amount.clone().into()),
        delivery_time: terms.tier.delivery_time().to_owned(),
        revisions: order.revisions_left,
    }));
    let intake_request = message(Content::OrderIntakeRequest(OrderIntakeRequest {
        customer_name: terms.customer_name.clone(),
        order_id: order_id.clone(),
        tier,
    }));
    defer(tx, &welcome, format!("order_welcome:{order_id}")).await?;
    fail_point::ORDER_HALF_DEFERRED.reached();
    defer(tx, &intake_request, format!("order_intake_request:{order_id}")).await
}
