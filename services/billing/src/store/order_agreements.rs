//! Table `order_agreements`. Its rows belong to an order that the caller has got, or locked, with a `Scope`.

use levqor_runtime::db::{DbError, Tx};
use sqlx::PgConnection;

use crate::domain::order::OrderId;

/// Stores the buyer's agreements, once.
pub(crate) async fn insert(
    tx: &mut Tx,
    order_id: OrderId,
    terms_version: &str,
    start_at_once: bool,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO order_agreements (order_id, terms_version, start_at_once, create_time) VALUES ($1, $2, $3, $4)",
        order_id.as_uuid(),
        terms_version,
        start_at_once,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the buyer asked for a start at once. `None`: the order was paid by a payment link, which does not ask.
pub(crate) async fn start_at_once(
    conn: &mut PgConnection,
    order_id: OrderId,
) -> Result<Option<bool>, DbError> {
    let agreed = sqlx::query_scalar!(
        "SELECT start_at_once FROM order_agreements WHERE order_id = $1",
        order_id.as_uuid()
    );
    Ok(agreed.fetch_optional(conn).await?)
}
