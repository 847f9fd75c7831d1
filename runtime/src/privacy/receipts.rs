//! What erasures and corrections have done in this database. The rows are the receipt. After a crash they show the progress of an
//! erasure or a correction.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::{DbError, Tx};

/// Begins an erasure or a correction. Returns false if it had begun before.
pub(super) async fn begin(conn: &mut PgConnection, id: Uuid) -> Result<bool, DbError> {
    let begun = sqlx::query!(
        "INSERT INTO runtime.receipts (receipt_id, table_name, changed_rows) VALUES ($1, '', 0) ON CONFLICT DO NOTHING",
        id,
    )
    .execute(conn)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Counts the changed rows of a table, in the transaction that changes them. Returns their number.
pub(super) async fn count(conn: &mut PgConnection, id: Uuid, table: &str, rows: u64) -> Result<i64, DbError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    if rows == 0 {
        return Ok(0);
    }
    sqlx::query!(
        "INSERT INTO runtime.receipts AS known (receipt_id, table_name, changed_rows) VALUES ($1, $2, $3)
         ON CONFLICT (receipt_id, table_name) DO UPDATE SET changed_rows = known.changed_rows + excluded.changed_rows",
        id,
        table,
        rows,
    )
    .execute(conn)
    .await?;
    Ok(rows)
}

/// How many rows of each table were changed.
pub(super) async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Vec<(String, i64)>, DbError> {
    let rows = sqlx::query!(
        "SELECT table_name, changed_rows FROM runtime.receipts
         WHERE receipt_id = $1 AND table_name <> ''
         ORDER BY table_name",
        id,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.table_name, row.changed_rows)).collect())
}

/// Marks an erasure or a correction as complete since `time`. Returns false if it was complete before.
pub(crate) async fn complete(tx: &mut Tx, id: Uuid, time: DateTime<Utc>) -> Result<bool, DbError> {
    let completed = sqlx::query!(
        "UPDATE runtime.receipts SET complete_time = $2
         WHERE receipt_id = $1 AND table_name = '' AND complete_time IS NULL",
        id,
        time,
    )
    .execute(&mut **tx)
    .await?;
    Ok(completed.rows_affected() == 1)
}

/// Returns which of these erasures and corrections are complete.
pub(crate) async fn applied(conn: &mut PgConnection, ids: &[Uuid]) -> Result<BTreeSet<Uuid>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT receipt_id FROM runtime.receipts
         WHERE table_name = '' AND complete_time IS NOT NULL AND receipt_id = ANY ($1)",
        ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().collect())
}

/// The erasures and corrections that were complete at or after an instant.
pub(crate) async fn completed_since(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> Result<BTreeSet<Uuid>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT receipt_id FROM runtime.receipts WHERE table_name = '' AND complete_time >= $1",
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().collect())
}
