//! Finds orders by their payment or checkout session. No function here takes a `Scope`, because an event of Stripe acts for no person.

use levqor_runtime::db::{DbError, one_row};
use sqlx::PgConnection;

use super::Row;
use crate::domain::{
    order::{Order, OrderId},
    stripe_id::StripeId,
};

/// Gets the order that a payment paid for, and locks it until the transaction ends.
pub(crate) async fn lock_by_payment(
    conn: &mut PgConnection,
    payment_intent: &StripeId,
) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE stripe_payment_intent_id = $1
         FOR UPDATE",
        payment_intent.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Gets the order of a checkout session, and locks it until the transaction ends.
pub(crate) async fn lock_by_session(
    conn: &mut PgConnection,
    id: &StripeId,
) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE stripe_checkout_session_id = $1
         FOR UPDATE",
        id.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Gets the order that our checkout made, and locks it until the transaction ends.
pub(crate) async fn lock_by_id(conn: &mut PgConnection, id: OrderId) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE order_id = $1
         FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Stores the checkout session that sells an order. The order is locked.
pub(crate) async fn set_session(
    conn: &mut PgConnection,
    id: OrderId,
    session: &StripeId,
) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE orders SET stripe_checkout_session_id = $2 WHERE order_id = $1",
        id.as_uuid(),
        session.as_str(),
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}
