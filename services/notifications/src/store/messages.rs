//! Table `messages`: every requested mail and its outcome.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, known_if_any, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    address::AddressHash,
    message::{Body, Message, MessageId, Outcome, Receipt, State},
    reference::{About, TemplateName},
    report::DeliveryOutcome,
    template::{Rendered, Template},
};

/// A new message.
pub(crate) struct NewMessage<'a> {
    pub(crate) id: MessageId,
    pub(crate) template: &'a Template,
    pub(crate) about: &'a About,
    pub(crate) recipient: &'a Email,
    pub(crate) recipient_hash: AddressHash,
    pub(crate) sender: &'a str,
    pub(crate) rendered: &'a Rendered,
    pub(crate) create_time: DateTime<Utc>,
}

/// Stores a message as pending. Returns false and stores nothing if the same message was requested before.
pub(crate) async fn insert(conn: &mut PgConnection, message: &NewMessage<'_>) -> Result<bool, DbError> {
    let result = sqlx::query!(
        "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, sender,
                               subject, body_text, body_html, state, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'PENDING', $11)
         ON CONFLICT ON CONSTRAINT messages_identity DO NOTHING",
        message.id.as_uuid(),
        message.template.name(),
        message.template.version(),
        message.about.as_str(),
        message.recipient.as_str(),
        message.recipient_hash.as_bytes(),
        message.sender,
        message.rendered.subject,
        message.rendered.text,
        message.rendered.html,
        message.create_time,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// The earlier message with the same template, subject matter (`about`) and recipient.
pub(crate) async fn find_same(
    conn: &mut PgConnection,
    message: &NewMessage<'_>,
) -> Result<MessageId, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT message_id FROM messages WHERE template = $1 AND about = $2 AND recipient_hash = $3",
        message.template.name(),
        message.about.as_str(),
        message.recipient_hash.as_bytes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(id.into())
}

/// One message.
pub(crate) async fn get(conn: &mut PgConnection, id: MessageId) -> Result<Option<Message>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT message_id, template, about, recipient, subject, state, provider, provider_message_id, failure, doubt,
                round, create_time, send_time, delivery_outcome, delivery_outcome_time
         FROM messages WHERE message_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Message::try_from).transpose()
}

/// Gets one message and locks its row until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: MessageId) -> Result<Option<Message>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT message_id, template, about, recipient, subject, state, provider, provider_message_id, failure, doubt,
                round, create_time, send_time, delivery_outcome, delivery_outcome_time
         FROM messages WHERE message_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Message::try_from).transpose()
}

/// The rendered body of a message.
pub(crate) async fn body(conn: &mut PgConnection, id: MessageId) -> Result<Option<Body>, DbError> {
    let body = sqlx::query_as!(
        Body,
        "SELECT sender, body_text AS text, body_html AS html FROM messages WHERE message_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(body)
}

/// The messages to list. An empty filter field matches all.
pub(crate) struct Filter {
    pub(crate) recipient: Option<Email>,
    pub(crate) template: Option<TemplateName>,
    pub(crate) about: Option<About>,
    pub(crate) state: Option<State>,
    pub(crate) delivery_outcome: Option<DeliveryOutcome>,
}

/// A page of messages, newest first, and one more message if there is a next page.
pub(crate) async fn list(
    tx: &mut ListTx,
    recipient: Option<&AddressHash>,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Message>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT message_id, template, about, recipient, subject, state, provider, provider_message_id, failure, doubt,
                round, create_time, send_time, delivery_outcome, delivery_outcome_time
         FROM messages
         WHERE ($1::bytea IS NULL OR recipient_hash = $1)
           AND ($2::text IS NULL OR template = $2)
           AND ($3::text IS NULL OR about = $3)
           AND ($4::text IS NULL OR state = $4)
           AND ($5::text IS NULL OR delivery_outcome = $5)
           AND ($6::timestamptz IS NULL OR (create_time, message_id) < ($6, $7::uuid))
         ORDER BY create_time DESC, message_id DESC
         LIMIT $8",
        recipient.map(AddressHash::as_bytes),
        filter.template.as_ref().map(TemplateName::as_str),
        filter.about.as_ref().map(About::as_str),
        filter.state.map(State::as_str),
        filter.delivery_outcome.map(DeliveryOutcome::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed =
        |row: Row| Listed::new("messages", (row.create_time, row.message_id), Message::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// Pending messages or messages in doubt, for the metrics.
pub(crate) struct Unsettled {
    pub(crate) state: String,
    pub(crate) count: i64,
    pub(crate) oldest_age_s: f64,
}

/// The number of pending messages and of messages in doubt, each counted up to a limit, with the age of the oldest.
pub(crate) async fn unsettled(conn: &mut PgConnection) -> Result<Vec<Unsettled>, DbError> {
    let unsettled = sqlx::query_as!(
        Unsettled,
        r#"SELECT 'pending' AS "state!",
                  (SELECT count(*) FROM (SELECT FROM messages WHERE state = 'PENDING' LIMIT 100000) AS m) AS "count!",
                  coalesce(extract(epoch FROM runtime.now() - (
                      SELECT create_time FROM messages WHERE state = 'PENDING' ORDER BY create_time LIMIT 1
                  )), 0)::double precision AS "oldest_age_s!"
           UNION ALL
           SELECT 'in_doubt',
                  (SELECT count(*) FROM (SELECT FROM messages WHERE state = 'IN_DOUBT' LIMIT 100000) AS m),
                  coalesce(extract(epoch FROM runtime.now() - (
                      SELECT create_time FROM messages WHERE state = 'IN_DOUBT' ORDER BY create_time LIMIT 1
                  )), 0)::double precision"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(unsettled)
}

/// Stores the outcome of a message that was pending or in doubt.
pub(crate) async fn settle(conn: &mut PgConnection, id: MessageId, outcome: &Outcome) -> Result<(), DbError> {
    let settled = match outcome {
        Outcome::Sent { receipt, send_time } => {
            sqlx::query!(
                "UPDATE messages
                 SET state = 'SENT', provider = $2, provider_message_id = $3, send_time = $4, doubt = NULL
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                receipt.provider,
                receipt.provider_message_id,
                send_time,
            )
            .execute(conn)
            .await?
        }
        Outcome::Failed { failure } => {
            sqlx::query!(
                "UPDATE messages SET state = 'FAILED', failure = $2, doubt = NULL
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                failure,
            )
            .execute(conn)
            .await?
        }
        Outcome::InDoubt { doubt } => {
            // A message in doubt never gets here. The condition names IN_DOUBT because PostgreSQL could otherwise choose the partial
            // index of the pending messages instead of the primary key.
            sqlx::query!(
                "UPDATE messages SET state = 'IN_DOUBT', doubt = $2
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                doubt,
            )
            .execute(conn)
            .await?
        }
    };
    one_row(&settled)
}

/// Makes a message pending again whose delivery was given up. The round, the provider's key and the sender stay.
pub(crate) async fn take_up_again(conn: &mut PgConnection, id: MessageId) -> Result<(), DbError> {
    let pending = sqlx::query!(
        "UPDATE messages SET state = 'PENDING', doubt = NULL, failure = NULL
         WHERE message_id = $1 AND state IN ('IN_DOUBT', 'FAILED')",
        id.as_uuid(),
    )
    .execute(conn)
    .await?;
    one_row(&pending)
}

/// Makes a failed message or a message in doubt pending again, in a new round. The provider gets a new key, so the sender of the
/// mail may change.
pub(crate) async fn begin_round(
    conn: &mut PgConnection,
    id: MessageId,
    round: i32,
    sender: &str,
) -> Result<(), DbError> {
    let pending = sqlx::query!(
        "UPDATE messages SET state = 'PENDING', doubt = NULL, failure = NULL, round = $2, sender = $3
         WHERE message_id = $1 AND state IN ('IN_DOUBT', 'FAILED')",
        id.as_uuid(),
        round,
        sender,
    )
    .execute(conn)
    .await?;
    one_row(&pending)
}

/// Gets the message that this provider took under this id, and locks its row until the transaction ends. If a person resolved
/// several messages with the same id, this is the oldest.
pub(crate) async fn lock_sent(
    conn: &mut PgConnection,
    provider: &str,
    provider_message_id: &str,
) -> Result<Option<MessageId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT message_id FROM messages WHERE provider = $1 AND provider_message_id = $2
         ORDER BY create_time, message_id LIMIT 1 FOR UPDATE",
        provider,
        provider_message_id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(MessageId::from))
}

/// Stores the gravest delivery outcome of a message.
pub(crate) async fn put_delivery_outcome(
    conn: &mut PgConnection,
    id: MessageId,
    outcome: DeliveryOutcome,
    time: DateTime<Utc>,
) -> Result<(), DbError> {
    let put = sqlx::query!(
        "UPDATE messages SET delivery_outcome = $2, delivery_outcome_time = $3 WHERE message_id = $1",
        id.as_uuid(),
        outcome.as_str(),
        time,
    )
    .execute(conn)
    .await?;
    one_row(&put)
}

struct Row {
    message_id: Uuid,
    template: String,
    about: String,
    recipient: Option<String>,
    subject: String,
    state: String,
    provider: Option<String>,
    provider_message_id: Option<String>,
    failure: Option<String>,
    doubt: Option<String>,
    round: i32,
    create_time: DateTime<Utc>,
    send_time: Option<DateTime<Utc>>,
    delivery_outcome: Option<String>,
    delivery_outcome_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Message {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let state = known("state", &row.state)?;
        let outcome = match (state, row.provider, row.provider_message_id, row.send_time, row.failure) {
            (State::Pending, ..) => None,
            (State::Sent, Some(provider), Some(provider_message_id), Some(send_time), _) => {
                Some(Outcome::Sent { receipt: Receipt { provider, provider_message_id }, send_time })
            }
            (State::Failed, _, _, _, Some(failure)) => Some(Outcome::Failed { failure }),
            (State::InDoubt, ..) => {
                let doubt = row.doubt.ok_or_else(|| not_known("doubt"))?;
                Some(Outcome::InDoubt { doubt })
            }
            (State::Sent | State::Failed, ..) => return Err(not_known("state")),
        };
        let delivery_outcome = known_if_any("delivery_outcome", row.delivery_outcome.as_deref())?;
        Ok(Self {
            id: row.message_id.into(),
            template: row.template,
            about: row.about,
            recipient: known_if_any("recipient", row.recipient.as_deref())?,
            subject: row.subject,
            outcome,
            round: row.round,
            create_time: row.create_time,
            delivery_outcome: delivery_outcome.zip(row.delivery_outcome_time),
        })
    }
}
