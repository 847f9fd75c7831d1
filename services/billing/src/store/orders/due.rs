//! The orders that a schedule has to do something with, oldest first. No function here takes a `Scope`: a schedule acts for no
//! person. An order that another transaction has locked, for example a step of a flow, is skipped: the next run finds it.

use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use super::Row;
use crate::domain::order::Order;

/// Gets and locks up to `limit` orders that were delivered more than 7 days ago and are neither accepted nor revised.
pub(crate) async fn lock_silently_accepted(
    conn: &mut PgConnection,
    limit: i64,
) -> Result<Vec<Order>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE fulfilment_state = 'DELIVERED' AND deliver_time <= runtime.now() - interval '7 days'
         ORDER BY deliver_time
         LIMIT $1
         FOR UPDATE SKIP LOCKED",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// Gets and locks up to `limit` orders whose delivery is overdue and not reported.
pub(crate) async fn lock_overdue(conn: &mut PgConnection, limit: i64) -> Result<Vec<Order>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE fulfilment_state IN ('INTAKE_SUBMITTED', 'IN_PROGRESS', 'REVISION_REQUESTED') AND overdue_time IS NULL
           AND due_time <= runtime.now()
         ORDER BY due_time
         LIMIT $1
         FOR UPDATE SKIP LOCKED",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}
