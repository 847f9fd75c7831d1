//! Table `permissions`: who agreed to which category of marketing.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, known_if_any};
use sqlx::PgConnection;

use crate::domain::{address::AddressHash, class::Category, newsletter::Topic, permit::PermissionState};

/// The state of a permission. None: the recipient never gave one. The caller holds the address.
pub(crate) async fn state(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    category: Category,
) -> Result<Option<PermissionState>, DbError> {
    let state = sqlx::query_scalar!(
        "SELECT state FROM permissions WHERE recipient_hash = $1 AND category = $2",
        recipient.as_bytes(),
        category.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    known_if_any("state", state.as_deref())
}

/// The categories that an address agreed to now. The caller holds the address if it decides by them.
pub(crate) async fn granted(conn: &mut PgConnection, recipient: &AddressHash) -> Result<Vec<Topic>, DbError> {
    let categories = sqlx::query_scalar!(
        "SELECT category FROM permissions WHERE recipient_hash = $1 AND state = 'GRANTED'",
        recipient.as_bytes(),
    )
    .fetch_all(conn)
    .await?;
    categories.iter().map(|category| known("category", category)).collect()
}

/// When a permission changed last. None: the recipient never gave one. The caller holds the address.
pub(crate) async fn change_time(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    topic: Topic,
) -> Result<Option<DateTime<Utc>>, DbError> {
    Ok(sqlx::query_scalar!(
        "SELECT change_time FROM permissions WHERE recipient_hash = $1 AND category = $2",
        recipient.as_bytes(),
        topic.as_str(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Stores a permission or its withdrawal. The caller holds the address.
pub(crate) async fn set(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    topic: Topic,
    state: PermissionState,
    source: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO permissions (recipient_hash, category, state, source, create_time, change_time)
         VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT ON CONSTRAINT permissions_pkey DO UPDATE
         SET state = excluded.state, source = excluded.source, change_time = excluded.change_time",
        recipient.as_bytes(),
        topic.as_str(),
        state.as_str(),
        source,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
