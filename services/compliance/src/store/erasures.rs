//! Table `erasures`. Who may see a data request may see its erasure, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, known, not_known, one_row},
    privacy::Erasures,
};
use sqlx::PgConnection;

use crate::domain::{
    data_request::DataRequestId,
    erasure::{Progress, Receipt},
};

/// An erasure as it is stored.
pub(crate) struct Erasure {
    pub(crate) progress: Progress,
    pub(crate) receipts: Vec<Receipt>,
    /// What stays, for the person.
    pub(crate) kept: Vec<String>,
}

/// Stores an approval.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: DataRequestId,
    preview_hash: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO erasures (data_request_id, preview_hash, step, approve_time) VALUES ($1, $2, 'APPROVED', $3)",
        id.as_uuid(),
        preview_hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How far an erasure is.
pub(crate) async fn get(conn: &mut PgConnection, id: DataRequestId) -> Result<Option<Erasure>, DbError> {
    let row =
        sqlx::query!("SELECT step, receipts, kept FROM erasures WHERE data_request_id = $1", id.as_uuid())
            .fetch_optional(conn)
            .await?;
    let read = |step: &str, receipts, kept| {
        Ok(Erasure {
            progress: known("step", step)?,
            receipts: serde_json::from_value(receipts).map_err(|_| not_known("receipts"))?,
            kept,
        })
    };
    row.map(|row| read(&row.step, row.receipts, row.kept)).transpose()
}

/// The erasures that have begun, by how far they are.
pub(crate) async fn begun(conn: &mut PgConnection) -> Result<Erasures, DbError> {
    let rows = sqlx::query!(
        "SELECT data_request_id, step FROM erasures WHERE step IN ('ERASING', 'TOLD', 'RECORDED', 'COMPLETE')"
    )
    .fetch_all(conn)
    .await?;
    let mut begun = Erasures::default();
    for row in rows {
        let progress: Progress = known("step", &row.step)?;
        let alike = match progress {
            Progress::Approved => continue,
            Progress::Erasing | Progress::Told => &mut begun.running,
            Progress::Recorded => &mut begun.ending,
            Progress::Complete => &mut begun.complete,
        };
        alike.insert(row.data_request_id);
    }
    Ok(begun)
}

/// Marks an erasure as complete that was made again after a restore.
pub(crate) async fn complete_again(
    conn: &mut PgConnection,
    id: DataRequestId,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE erasures SET step = 'COMPLETE', complete_time = $2
         WHERE data_request_id = $1 AND complete_time IS NULL",
        id.as_uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves how far it is. The receipts of a service take the place of earlier ones of the same service.
pub(crate) async fn update(
    conn: &mut PgConnection,
    id: DataRequestId,
    progress: Progress,
    receipts: &[Receipt],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE erasures
         SET step = $2, receipts = $3, begin_time = coalesce(begin_time, $4),
             complete_time = CASE WHEN $2 = 'COMPLETE' THEN $4 END
         WHERE data_request_id = $1",
        id.as_uuid(),
        progress.as_str(),
        serde_json::json!(receipts),
        now,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Saves what stays.
pub(crate) async fn put_kept(
    conn: &mut PgConnection,
    id: DataRequestId,
    kept: &[String],
) -> Result<(), DbError> {
    let saved = sqlx::query!("UPDATE erasures SET kept = $2 WHERE data_request_id = $1", id.as_uuid(), kept)
        .execute(conn)
        .await?;
    one_row(&saved)
}

/// The approved effects, and the time of the approval.
pub(crate) struct Approval {
    pub(crate) preview_hash: String,
    pub(crate) approve_time: DateTime<Utc>,
    pub(crate) begin_time: Option<DateTime<Utc>>,
    pub(crate) complete_time: Option<DateTime<Utc>>,
}

/// The approval of an erasure.
pub(crate) async fn approval(
    conn: &mut PgConnection,
    id: DataRequestId,
) -> Result<Option<Approval>, DbError> {
    Ok(sqlx::query_as!(
        Approval,
        "SELECT preview_hash, approve_time, begin_time, complete_time FROM erasures WHERE data_request_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?)
}
