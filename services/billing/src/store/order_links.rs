//! Table `order_links`. A link is a permission of its own, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx};
use sqlx::PgConnection;

use crate::domain::{order::OrderId, order_link::LinkId};

/// A valid link.
pub(crate) struct Link {
    pub(crate) order_id: OrderId,
    /// The HMAC of the link's id with the link's secret.
    pub(crate) secret_tag: Vec<u8>,
}

/// Stores a new link.
pub(crate) async fn insert(
    tx: &mut Tx,
    link_id: LinkId,
    order_id: OrderId,
    secret_tag: &[u8],
    expire_time: DateTime<Utc>,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO order_links (link_id, order_id, secret_tag, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5)",
        link_id.as_uuid(),
        order_id.as_uuid(),
        secret_tag,
        now,
        expire_time,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gets a link that is neither expired nor revoked.
pub(crate) async fn get(conn: &mut PgConnection, link_id: LinkId) -> Result<Option<Link>, DbError> {
    let row = sqlx::query!(
        "SELECT order_id, secret_tag FROM order_links
         WHERE link_id = $1 AND revoke_time IS NULL AND expire_time > runtime.now()",
        link_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Link { order_id: row.order_id.into(), secret_tag: row.secret_tag }))
}

/// Revokes all links to an order. Returns how many were valid.
pub(crate) async fn revoke_all(conn: &mut PgConnection, order_id: OrderId) -> Result<u64, DbError> {
    let revoked = sqlx::query!(
        "UPDATE order_links SET revoke_time = runtime.now()
         WHERE order_id = $1 AND revoke_time IS NULL AND expire_time > runtime.now()",
        order_id.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected())
}
