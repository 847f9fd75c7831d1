//! Table `order_files`. Its rows belong to an order that the caller has got, or locked, with a `Scope`.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    order::OrderId,
    order_event::Party,
    order_file::{FileId, OrderFile},
};

/// An upload that is not finished after this time was interrupted. The deadline of an upload is far shorter.
const BROKEN_OFF: TimeDelta = TimeDelta::hours(1);

/// Records that the upload of a file begins.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    file_id: FileId,
    order_id: OrderId,
    uploader: Party,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO order_files (file_id, order_id, uploader, name, state, create_time, sweep_time)
         VALUES ($1, $2, $3, $4, 'UPLOADING', $5, $6)",
        file_id.as_uuid(),
        order_id.as_uuid(),
        uploader.as_str(),
        name,
        now,
        now + BROKEN_OFF,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that a file is stored whole. Fails if its upload did not begin, or was swept.
pub(crate) async fn store(
    conn: &mut PgConnection,
    file_id: FileId,
    content_type: &str,
    size_bytes: i64,
) -> Result<(), DbError> {
    let stored = sqlx::query!(
        "UPDATE order_files SET state = 'STORED', content_type = $2, size_bytes = $3, sweep_time = NULL
         WHERE file_id = $1 AND state = 'UPLOADING'",
        file_id.as_uuid(),
        content_type,
        size_bytes,
    )
    .execute(conn)
    .await?;
    one_row(&stored)
}

/// The files of an order that exist or are being uploaded.
pub(crate) async fn count(conn: &mut PgConnection, order_id: OrderId) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM order_files WHERE order_id = $1 AND state <> 'DELETED'"#,
        order_id.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// The files of an order, the oldest first.
pub(crate) async fn list(conn: &mut PgConnection, order_id: OrderId) -> Result<Vec<OrderFile>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT file_id, order_id, uploader, name, content_type AS "content_type!", size_bytes AS "size_bytes!", create_time
           FROM order_files
           WHERE order_id = $1 AND state = 'STORED'
           ORDER BY create_time, file_id"#,
        order_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderFile::try_from).collect()
}

/// Gets one file of an order.
pub(crate) async fn get(
    conn: &mut PgConnection,
    order_id: OrderId,
    file_id: FileId,
) -> Result<Option<OrderFile>, DbError> {
    sqlx::query_as!(
        Row,
        r#"SELECT file_id, order_id, uploader, name, content_type AS "content_type!", size_bytes AS "size_bytes!", create_time
           FROM order_files
           WHERE file_id = $1 AND order_id = $2 AND state = 'STORED'"#,
        file_id.as_uuid(),
        order_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(OrderFile::try_from)
    .transpose()
}

/// Marks a file, or an upload, whose content has to be removed now.
pub(crate) async fn delete(conn: &mut PgConnection, file_id: FileId) -> Result<(), DbError> {
    let deleted = sqlx::query!(
        "UPDATE order_files SET state = 'DELETED', sweep_time = runtime.now() WHERE file_id = $1",
        file_id.as_uuid(),
    )
    .execute(conn)
    .await?;
    one_row(&deleted)
}

/// Up to `limit` files whose content has to be removed, and their orders.
pub(crate) async fn due_for_sweep(
    conn: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(OrderId, FileId)>, DbError> {
    let rows = sqlx::query!(
        "SELECT order_id, file_id FROM order_files
         WHERE sweep_time <= runtime.now()
         ORDER BY sweep_time
         LIMIT $1",
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.order_id.into(), row.file_id.into())).collect())
}

/// Forgets a file whose content was removed.
pub(crate) async fn forget(conn: &mut PgConnection, file_id: FileId) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM order_files WHERE file_id = $1 AND state <> 'STORED'", file_id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// A row as it is stored.
struct Row {
    file_id: Uuid,
    order_id: Uuid,
    uploader: String,
    name: String,
    content_type: String,
    size_bytes: i64,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for OrderFile {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.file_id.into(),
            order_id: row.order_id.into(),
            uploader: known("uploader", &row.uploader)?,
            name: row.name,
            content_type: row.content_type,
            size_bytes: row.size_bytes,
            create_time: row.create_time,
        })
    }
}
