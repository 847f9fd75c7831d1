//! Table `data_request_refusals`. Only staff read it, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::data_request::DataRequestId;

/// Stores a refusal. A request is refused at most once: its state sees to it.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: DataRequestId,
    reasons: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO data_request_refusals (data_request_id, reasons, refuse_time) VALUES ($1, $2, $3)",
        id.as_uuid(),
        reasons,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When a request was refused, and the reasons in the person's mail.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: DataRequestId,
) -> Result<Option<(DateTime<Utc>, String)>, DbError> {
    let row = sqlx::query!(
        "SELECT refuse_time, reasons FROM data_request_refusals WHERE data_request_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.refuse_time, row.reasons)))
}
