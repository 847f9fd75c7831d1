//! Table `conversations`. A function that a customer's call can reach takes a `Claim`: whose conversations the caller may see, by the
//! account or by the token.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, known_if_any, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    conversation::{Conversation, ConversationId, State},
    ticket::{Customer, TicketId},
};

/// Which conversations a caller may see.
pub(crate) struct Claim {
    /// All of them: staff.
    pub(crate) all: bool,
    /// Those of this account.
    pub(crate) sub: Option<String>,
    /// The one of the token with this hash.
    pub(crate) token_hash: Option<Vec<u8>>,
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) customer_email: Option<Email>,
}

/// Stores a new conversation.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    conversation: &Conversation,
    token_hash: Option<&[u8]>,
) -> Result<(), DbError> {
    let customer = &conversation.customer;
    sqlx::query!(
        "INSERT INTO conversations
             (conversation_id, owner_sub, token_hash, customer_email, customer_name, customer_verified, state, ticket_id,
              turn_count, message_count, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        conversation.id.as_uuid(),
        customer.sub,
        token_hash,
        customer.email.as_ref().map(Email::as_str),
        customer.name,
        customer.verified,
        conversation.state.as_str(),
        conversation.ticket_id.map(TicketId::as_uuid),
        conversation.turn_count,
        conversation.message_count,
        conversation.create_time,
        conversation.update_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a conversation that is locked.
pub(crate) async fn update(conn: &mut PgConnection, conversation: &Conversation) -> Result<(), DbError> {
    let customer = &conversation.customer;
    let saved = sqlx::query!(
        "UPDATE conversations
         SET customer_email = $2, customer_name = $3, customer_verified = $4, state = $5, ticket_id = $6, turn_count = $7,
             message_count = $8, update_time = $9
         WHERE conversation_id = $1",
        conversation.id.as_uuid(),
        customer.email.as_ref().map(Email::as_str),
        customer.name,
        customer.verified,
        conversation.state.as_str(),
        conversation.ticket_id.map(TicketId::as_uuid),
        conversation.turn_count,
        conversation.message_count,
        conversation.update_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Gets a conversation, if the claim allows it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    claim: &Claim,
    id: ConversationId,
) -> Result<Option<Conversation>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT conversation_id, owner_sub, customer_email, customer_name, customer_verified, state, ticket_id, turn_count,
                message_count, create_time, update_time
         FROM conversations
         WHERE conversation_id = $4 AND ($1::boolean OR owner_sub = $2 OR token_hash = $3)",
        claim.all,
        claim.sub.as_deref(),
        claim.token_hash.as_deref(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Conversation::try_from)
    .transpose()
}

/// Gets a conversation, if the claim allows it, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    claim: &Claim,
    id: ConversationId,
) -> Result<Option<Conversation>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT conversation_id, owner_sub, customer_email, customer_name, customer_verified, state, ticket_id, turn_count,
                message_count, create_time, update_time
         FROM conversations
         WHERE conversation_id = $4 AND ($1::boolean OR owner_sub = $2 OR token_hash = $3)
         FOR UPDATE",
        claim.all,
        claim.sub.as_deref(),
        claim.token_hash.as_deref(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Conversation::try_from)
    .transpose()
}

/// Lists conversations, newest first: one page and one more conversation.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Conversation>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT conversation_id, owner_sub, customer_email, customer_name, customer_verified, state, ticket_id, turn_count,
                message_count, create_time, update_time
         FROM conversations
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::text IS NULL OR customer_email = $2)
           AND ($3::timestamptz IS NULL OR (create_time, conversation_id) < ($3, $4::uuid))
         ORDER BY create_time DESC, conversation_id DESC
         LIMIT $5",
        filter.state.map(State::as_str),
        filter.customer_email.as_ref().map(Email::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        Listed::new("conversations", (row.create_time, row.conversation_id), Conversation::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    conversation_id: Uuid,
    owner_sub: Option<String>,
    customer_email: Option<String>,
    customer_name: String,
    customer_verified: bool,
    state: String,
    ticket_id: Option<Uuid>,
    turn_count: i32,
    message_count: i32,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Conversation {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.conversation_id.into(),
            customer: Customer {
                sub: row.owner_sub,
                email: known_if_any("customer_email", row.customer_email.as_deref())?,
                name: row.customer_name,
                verified: row.customer_verified,
            },
            state: known("state", &row.state)?,
            ticket_id: row.ticket_id.map(TicketId::from),
            turn_count: row.turn_count,
            message_count: row.message_count,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
