//! Table `rectifications`. Who may see a data request may see its correction, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, not_known, one_row};
use sqlx::PgConnection;

use crate::domain::{data_request::DataRequestId, erasure::Receipt};

/// Stores a correction that was accepted.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: DataRequestId,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO rectifications (data_request_id, accept_time) VALUES ($1, $2)",
        id.as_uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves the receipts of a correction that is complete.
pub(crate) async fn complete(
    conn: &mut PgConnection,
    id: DataRequestId,
    receipts: &[Receipt],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE rectifications SET receipts = $2, complete_time = $3 WHERE data_request_id = $1",
        id.as_uuid(),
        serde_json::json!(receipts),
        now,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// The receipts of a correction. Empty before it is complete.
pub(crate) async fn receipts(conn: &mut PgConnection, id: DataRequestId) -> Result<Vec<Receipt>, DbError> {
    let receipts =
        sqlx::query_scalar!("SELECT receipts FROM rectifications WHERE data_request_id = $1", id.as_uuid(),)
            .fetch_optional(conn)
            .await?;
    let read = |receipts| serde_json::from_value(receipts).map_err(|_| not_known("receipts"));
    receipts.map(read).transpose().map(Option::unwrap_or_default)
}
