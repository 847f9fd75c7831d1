//! Table `ticket_messages`. Who may see a ticket may see its messages, so nothing here takes a `Scope`; notes are for staff only.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ticket::{Message, MessageId, Party, TicketId};

/// Adds a message to a ticket. `author` is the member of staff who wrote it.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    message: &Message,
    author: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO ticket_messages (message_id, ticket_id, party, internal, author, body, create_time, sender_address,
                                      not_read_as_reply)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        message.id.as_uuid(),
        ticket_id.as_uuid(),
        message.party.as_str(),
        message.internal,
        author,
        message.body,
        message.create_time,
        message.sender_address,
        message.not_read_as_reply,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last messages of a ticket, in their order, with or without notes.
pub(crate) async fn last(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    with_notes: bool,
    most: i64,
) -> Result<Vec<Message>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT message_id, party, internal, sender_address, not_read_as_reply, body, create_time
         FROM ticket_messages
         WHERE ticket_id = $1 AND ($2 OR NOT internal)
         ORDER BY sequence DESC
         LIMIT $3",
        ticket_id.as_uuid(),
        with_notes,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().rev().map(Message::try_from).collect()
}

/// Moves the messages of a ticket to another one.
pub(crate) async fn move_all(conn: &mut PgConnection, from: TicketId, to: TicketId) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE ticket_messages SET ticket_id = $2 WHERE ticket_id = $1",
        from.as_uuid(),
        to.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row as it is stored.
struct Row {
    message_id: Uuid,
    party: String,
    internal: bool,
    sender_address: Option<String>,
    not_read_as_reply: bool,
    body: String,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Message {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let party: Party = known("party", &row.party)?;
        Ok(Self {
            id: MessageId::from(row.message_id),
            party,
            internal: row.internal,
            sender_address: row.sender_address,
            not_read_as_reply: row.not_read_as_reply,
            body: row.body,
            create_time: row.create_time,
        })
    }
}
