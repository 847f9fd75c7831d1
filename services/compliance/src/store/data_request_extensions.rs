//! Table `data_request_extensions`. Who may see a data request may see its extension, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::data_request::DataRequestId;

/// Stores an extension. False if there was one before.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: DataRequestId,
    reasons: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO data_request_extensions (data_request_id, reasons, extend_time) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        id.as_uuid(),
        reasons,
        now,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// When the time of a request was extended.
pub(crate) async fn time(
    conn: &mut PgConnection,
    id: DataRequestId,
) -> Result<Option<DateTime<Utc>>, DbError> {
    Ok(sqlx::query_scalar!(
        "SELECT extend_time FROM data_request_extensions WHERE data_request_id = $1",
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// When the time of a request was extended, and the reasons in the person's mail.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: DataRequestId,
) -> Result<Option<(DateTime<Utc>, String)>, DbError> {
    let row = sqlx::query!(
        "SELECT extend_time, reasons FROM data_request_extensions WHERE data_request_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.extend_time, row.reasons)))
}
