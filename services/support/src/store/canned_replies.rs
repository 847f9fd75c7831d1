//! Table `canned_replies`. Only staff see it, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::canned_reply::{CannedReply, CannedReplyId};

/// There is one of this name already.
const SAME_NAME: &str = "canned_replies_name_key";

/// Stores a new canned reply. Returns false if another one has its name.
pub(crate) async fn insert(conn: &mut PgConnection, reply: &CannedReply) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO canned_replies (canned_reply_id, name, text, create_time, update_time) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO NOTHING",
        reply.id.as_uuid(),
        reply.name,
        reply.text,
        reply.create_time,
        reply.update_time,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Gets one.
pub(crate) async fn get(conn: &mut PgConnection, id: CannedReplyId) -> Result<Option<CannedReply>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT canned_reply_id, name, text, create_time, update_time FROM canned_replies WHERE canned_reply_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// Gets one, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: CannedReplyId) -> Result<Option<CannedReply>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT canned_reply_id, name, text, create_time, update_time FROM canned_replies WHERE canned_reply_id = $1
         FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// Saves one that is locked. Returns false if another one has its name.
pub(crate) async fn update(conn: &mut PgConnection, reply: &CannedReply) -> Result<bool, DbError> {
    let saved = sqlx::query!(
        "UPDATE canned_replies SET name = $2, text = $3, update_time = $4 WHERE canned_reply_id = $1",
        reply.id.as_uuid(),
        reply.name,
        reply.text,
        reply.update_time,
    )
    .execute(conn)
    .await
    .map_err(DbError::from);
    match saved {
        Ok(saved) => one_row(&saved).map(|()| true),
        Err(DbError::Constraint { name, .. }) if name == SAME_NAME => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes one. Returns false if there is none.
pub(crate) async fn delete(conn: &mut PgConnection, id: CannedReplyId) -> Result<bool, DbError> {
    let deleted = sqlx::query!("DELETE FROM canned_replies WHERE canned_reply_id = $1", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// The filter of a list: there is none.
pub(crate) struct Filter;

/// Lists canned replies, newest first: one page and one more.
pub(crate) async fn list(
    tx: &mut ListTx,
    _: &Filter,
    page: &Page,
) -> Result<Vec<Listed<CannedReply>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT canned_reply_id, name, text, create_time, update_time
         FROM canned_replies
         WHERE ($1::timestamptz IS NULL OR (create_time, canned_reply_id) < ($1, $2::uuid))
         ORDER BY create_time DESC, canned_reply_id DESC
         LIMIT $3",
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        Listed::new("canned_replies", (row.create_time, row.canned_reply_id), Ok::<_, DbError>(row.into()))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    canned_reply_id: Uuid,
    name: String,
    text: String,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl From<Row> for CannedReply {
    fn from(row: Row) -> Self {
        Self {
            id: row.canned_reply_id.into(),
            name: row.name,
            text: row.text,
            create_time: row.create_time,
            update_time: row.update_time,
        }
    }
}
