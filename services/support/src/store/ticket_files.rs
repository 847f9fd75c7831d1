//! Table `ticket_files`. Who may see a message may see its files, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    ticket::{MessageId, TicketId},
    ticket_file::{Announced, FileId, FileState, InboundMailId, TicketFile},
};

/// Stores a file that a mail announces.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: FileId,
    message_id: MessageId,
    mail_id: InboundMailId,
    file: &Announced,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO ticket_files (file_id, message_id, inbound_mail_id, attachment_id, place, name, state, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT ON CONSTRAINT ticket_files_attachment DO NOTHING",
        id.as_uuid(),
        message_id.as_uuid(),
        mail_id.as_uuid(),
        file.attachment_id,
        file.place,
        file.name,
        file.state.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The source of a file that has to be fetched: the mail, and the provider's id of the file. `None` if there is no such file, or
/// if it is settled.
pub(crate) async fn source(
    conn: &mut PgConnection,
    id: FileId,
) -> Result<Option<(InboundMailId, String)>, DbError> {
    let row = sqlx::query!(
        "SELECT inbound_mail_id, attachment_id FROM ticket_files WHERE file_id = $1 AND state = 'PENDING'",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.inbound_mail_id.into(), row.attachment_id)))
}

/// The bytes of a mail's files that are stored.
pub(crate) async fn stored_bytes(conn: &mut PgConnection, mail_id: InboundMailId) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(sum(size_bytes), 0)::bigint AS "bytes!" FROM ticket_files WHERE inbound_mail_id = $1"#,
        mail_id.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}

/// Records that a file is stored whole. If an erasure took it meanwhile, its content is left to the sweep.
pub(crate) async fn store(
    conn: &mut PgConnection,
    id: FileId,
    content_type: &str,
    size_bytes: i64,
) -> Result<(), DbError> {
    let stored = sqlx::query!(
        "UPDATE ticket_files
         SET state = CASE state WHEN 'GONE' THEN 'GONE' ELSE 'STORED' END,
             content_type = CASE state WHEN 'GONE' THEN NULL ELSE $2::text END,
             size_bytes = CASE state WHEN 'GONE' THEN NULL ELSE $3::bigint END,
             sweep = sweep OR state = 'GONE'
         WHERE file_id = $1",
        id.as_uuid(),
        content_type,
        size_bytes,
    )
    .execute(conn)
    .await?;
    one_row(&stored)
}

/// Records that a file that was to be fetched is not taken.
pub(crate) async fn refuse(conn: &mut PgConnection, id: FileId, state: FileState) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE ticket_files SET state = $2 WHERE file_id = $1 AND state = 'PENDING'",
        id.as_uuid(),
        state.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The files of a ticket, each with its message.
pub(crate) async fn of_ticket(
    conn: &mut PgConnection,
    ticket_id: TicketId,
) -> Result<Vec<(MessageId, TicketFile)>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT file_id, file.message_id, name, state, content_type, size_bytes
         FROM ticket_messages AS message JOIN ticket_files AS file ON file.message_id = message.message_id
         WHERE ticket_id = $1
         ORDER BY file.create_time, file.message_id, place
         LIMIT 2000",
        ticket_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.message_id.into(), TicketFile::try_from(row)?))).collect()
}

/// Gets a stored file of a ticket. Without notes: only files that the customer may see.
pub(crate) async fn get(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    id: FileId,
    with_notes: bool,
) -> Result<Option<TicketFile>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT file_id, file.message_id, name, state, content_type, size_bytes
         FROM ticket_files AS file JOIN ticket_messages AS message ON file.message_id = message.message_id
         WHERE file_id = $2 AND ticket_id = $1 AND state = 'STORED' AND ($3 OR NOT internal)",
        ticket_id.as_uuid(),
        id.as_uuid(),
        with_notes,
    )
    .fetch_optional(conn)
    .await?;
    row.map(TicketFile::try_from).transpose()
}

/// A row as it is stored.
struct Row {
    file_id: Uuid,
    message_id: Uuid,
    name: String,
    state: String,
    content_type: Option<String>,
    size_bytes: Option<i64>,
}

impl TryFrom<Row> for TicketFile {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.file_id.into(),
            name: row.name,
            state: known("state", &row.state)?,
            content_type: row.content_type,
            size_bytes: row.size_bytes,
        })
    }
}

/// Files whose contents are to be removed, after an erasure.
pub(crate) async fn to_sweep(conn: &mut PgConnection, most: i64) -> Result<Vec<FileId>, DbError> {
    let ids =
        sqlx::query_scalar!("SELECT file_id FROM ticket_files WHERE sweep ORDER BY file_id LIMIT $1", most);
    Ok(ids.fetch_all(conn).await?.into_iter().map(FileId::from).collect())
}

/// Stores that the content of a file is removed.
pub(crate) async fn swept(conn: &mut PgConnection, id: FileId) -> Result<(), DbError> {
    sqlx::query!("UPDATE ticket_files SET sweep = false WHERE file_id = $1", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}
