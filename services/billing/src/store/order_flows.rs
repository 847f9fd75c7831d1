//! Table `order_flows`: the next step in each flow of an order.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    order::OrderId,
    order_flow::{End, Flow},
};

/// A flow of an order.
pub(crate) struct OrderFlow {
    pub(crate) next_step: i32,
    pub(crate) begin_time: DateTime<Utc>,
    /// None while the flow continues.
    pub(crate) end_reason: Option<String>,
}

/// Begins a flow. Returns false if the order has it already.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    order: OrderId,
    flow: Flow,
    begin: DateTime<Utc>,
    next_time: DateTime<Utc>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO order_flows (order_id, flow, next_time, begin_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT order_flows_pkey DO NOTHING",
        order.as_uuid(),
        flow.as_str(),
        next_time,
        begin,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Gets a flow and locks its row until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    order: OrderId,
    flow: Flow,
) -> Result<Option<OrderFlow>, DbError> {
    let flow = sqlx::query_as!(
        OrderFlow,
        "SELECT next_step, begin_time, end_reason FROM order_flows WHERE order_id = $1 AND flow = $2 FOR UPDATE",
        order.as_uuid(),
        flow.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(flow)
}

/// Stores the next step, and its time.
pub(crate) async fn advance(
    conn: &mut PgConnection,
    order: OrderId,
    flow: Flow,
    next_step: i32,
    next_time: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE order_flows SET next_step = $3, next_time = $4 WHERE order_id = $1 AND flow = $2 AND end_time IS NULL",
        order.as_uuid(),
        flow.as_str(),
        next_step,
        next_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a flow, if it has not ended yet.
pub(crate) async fn end(
    conn: &mut PgConnection,
    order: OrderId,
    flow: Flow,
    end: End,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE order_flows SET next_time = NULL, end_time = runtime.now(), end_reason = $3
         WHERE order_id = $1 AND flow = $2 AND end_time IS NULL",
        order.as_uuid(),
        flow.as_str(),
        end.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
