//! Table `subscription_links`. A link is a permission of its own, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx};
use sqlx::PgConnection;

use crate::domain::{order_link::LinkId, subscription::SubscriptionId};

/// A valid link.
pub(crate) struct Link {
    pub(crate) subscription_id: SubscriptionId,
    /// The HMAC of the link's id with the link's secret.
    pub(crate) secret_tag: Vec<u8>,
}

/// Stores a new link.
pub(crate) async fn insert(
    tx: &mut Tx,
    link_id: LinkId,
    subscription_id: SubscriptionId,
    secret_tag: &[u8],
    expire_time: DateTime<Utc>,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO subscription_links (link_id, subscription_id, secret_tag, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5)",
        link_id.as_uuid(),
        subscription_id.as_uuid(),
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
        "SELECT subscription_id, secret_tag FROM subscription_links
         WHERE link_id = $1 AND revoke_time IS NULL AND expire_time > runtime.now()",
        link_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Link { subscription_id: row.subscription_id.into(), secret_tag: row.secret_tag }))
}

/// Revokes all links to a subscription. Returns how many were valid.
pub(crate) async fn revoke_all(
    conn: &mut PgConnection,
    subscription_id: SubscriptionId,
) -> Result<u64, DbError> {
    let revoked = sqlx::query!(
        "UPDATE subscription_links SET revoke_time = runtime.now()
         WHERE subscription_id = $1 AND revoke_time IS NULL AND expire_time > runtime.now()",
        subscription_id.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected())
}
