//! Table `messages`: every requested mail and its outcome.

pub(crate) mod counts;
pub(crate) mod recipients;
pub(crate) mod settle;

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, known_if_any, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    address::AddressHash,
    class::{Category, Class},
    header::Headers,
    message::{Body, Guard, Message, MessageId, Outcome, Receipt, State},
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
    pub(crate) requested_by: &'a str,
    pub(crate) guard_subject: Option<&'a About>,
    pub(crate) sender: &'a str,
    pub(crate) reply_to: Option<&'a Email>,
    pub(crate) headers: &'a Headers,
    pub(crate) rendered: &'a Rendered,
    pub(crate) create_time: DateTime<Utc>,
}

/// Stores a message as pending. Returns false and stores nothing if the same message was requested before.
pub(crate) async fn insert(conn: &mut PgConnection, message: &NewMessage<'_>) -> Result<bool, DbError> {
    let result = sqlx::query!(
        "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, class, category,
                               requested_by, guard_subject, sender, reply_to, headers, subject, body_text, body_html, state,
                               create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'PENDING', $17)
         ON CONFLICT ON CONSTRAINT messages_identity DO NOTHING",
        message.id.as_uuid(),
        message.template.name(),
        message.template.version(),
        message.about.as_str(),
        message.recipient.as_str(),
        message.recipient_hash.as_bytes(),
        Class::from(message.template.class()).as_str(),
        Category::from(message.template.category()).as_str(),
        message.requested_by,
        message.guard_subject.map(About::as_str),
        message.sender,
        message.reply_to.map(Email::as_str),
        message.headers.to_string(),
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
        "SELECT message_id, template, about, recipient, recipient_hash, class, category, requested_by, guard_subject, subject,
                state, provider, provider_message_id, failure, doubt, suppression, cancellation, round, create_time,
                send_time, delivery_outcome, delivery_outcome_time
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
        "SELECT message_id, template, about, recipient, recipient_hash, class, category, requested_by, guard_subject, subject,
                state, provider, provider_message_id, failure, doubt, suppression, cancellation, round, create_time,
                send_time, delivery_outcome, delivery_outcome_time
         FROM messages WHERE message_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Message::try_from).transpose()
}

/// The rendered body of a message.
pub(crate) async fn body(conn: &mut PgConnection, id: MessageId) -> Result<Option<Body>, DbError> {
    let row = sqlx::query!(
        "SELECT sender, reply_to, headers, body_text, body_html FROM messages WHERE message_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let body = row.map(|row| {
        Ok(Body {
            sender: row.sender,
            reply_to: known_if_any("reply_to", row.reply_to.as_deref())?,
            headers: known("headers", &row.headers)?,
            text: row.body_text,
            html: row.body_html,
        })
    });
    body.transpose()
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
        "SELECT message_id, template, about, recipient, recipient_hash, class, category, requested_by, guard_subject, subject,
                state, provider, provider_message_id, failure, doubt, suppression, cancellation, round, create_time,
                send_time, delivery_outcome, delivery_outcome_time
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

/// The number of pending messages and of messages in doubt, each counted up to a limit, with the age of the oldest. Marketing that
/// waits for its turn has no age.
pub(crate) async fn unsettled(conn: &mut PgConnection) -> Result<Vec<Unsettled>, DbError> {
    let unsettled = sqlx::query_as!(
        Unsettled,
        r#"SELECT 'pending' AS "state!",
                  (SELECT count(*) FROM (SELECT FROM messages WHERE state = 'PENDING' LIMIT 100000) AS m) AS "count!",
                  coalesce(extract(epoch FROM runtime.now() - (
                      SELECT create_time FROM messages WHERE state = 'PENDING' AND (class = 'MARKETING') IS FALSE
                      ORDER BY (class = 'MARKETING'), create_time LIMIT 1
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

/// When the first attempt of the oldest message without an outcome began, of those that this provider took in this time.
pub(crate) async fn oldest_without_outcome(
    conn: &mut PgConnection,
    provider: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let oldest = sqlx::query_scalar!(
        r#"SELECT coalesce((SELECT min(begin_time) FROM delivery_attempts AS a WHERE a.message_id = m.message_id), create_time)
                      AS "begin_time!"
           FROM messages AS m
           WHERE state = 'SENT' AND (delivery_outcome IS NULL OR delivery_outcome = 'DELAYED')
             AND provider = $1 AND send_time >= $2 AND send_time <= $3
           ORDER BY send_time LIMIT 1"#,
        provider,
        from,
        to,
    )
    .fetch_optional(conn)
    .await?;
    Ok(oldest)
}

/// The messages without an outcome among those that this provider took under these ids, each with the provider's id.
pub(crate) async fn without_outcome(
    conn: &mut PgConnection,
    provider: &str,
    provider_message_ids: &[String],
) -> Result<Vec<(MessageId, String)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT message_id, provider_message_id AS "provider_message_id!" FROM messages
           WHERE provider_message_id = ANY ($2) AND provider = $1
             AND state = 'SENT' AND (delivery_outcome IS NULL OR delivery_outcome = 'DELAYED')"#,
        provider,
        provider_message_ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.message_id.into(), row.provider_message_id)).collect())
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
    recipient_hash: Vec<u8>,
    class: String,
    category: String,
    requested_by: String,
    guard_subject: Option<String>,
    subject: String,
    state: String,
    provider: Option<String>,
    provider_message_id: Option<String>,
    failure: Option<String>,
    doubt: Option<String>,
    suppression: Option<String>,
    cancellation: Option<String>,
    round: i32,
    create_time: DateTime<Utc>,
    send_time: Option<DateTime<Utc>>,
    delivery_outcome: Option<String>,
    delivery_outcome_time: Option<DateTime<Utc>>,
}

impl Row {
    /// The outcome. None while the message is pending.
    fn outcome(&self) -> Result<Option<Outcome>, DbError> {
        let required = |column, text: &Option<String>| text.clone().ok_or_else(|| not_known(column));
        Ok(Some(match known("state", &self.state)? {
            State::Pending => return Ok(None),
            State::Sent => Outcome::Sent {
                receipt: Receipt {
                    provider: required("provider", &self.provider)?,
                    provider_message_id: required("provider_message_id", &self.provider_message_id)?,
                },
                send_time: self.send_time.ok_or_else(|| not_known("send_time"))?,
            },
            State::Failed => Outcome::Failed { failure: required("failure", &self.failure)? },
            State::InDoubt => Outcome::InDoubt { doubt: required("doubt", &self.doubt)? },
            State::Suppressed => {
                let reason = known("suppression", &required("suppression", &self.suppression)?)?;
                Outcome::Suppressed { reason }
            }
            State::Cancelled => Outcome::Cancelled { reason: required("cancellation", &self.cancellation)? },
        }))
    }
}

impl TryFrom<Row> for Message {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let outcome = row.outcome()?;
        let delivery_outcome = known_if_any("delivery_outcome", row.delivery_outcome.as_deref())?;
        let guard = |subject| Guard { service: row.requested_by.clone(), subject };
        Ok(Self {
            id: row.message_id.into(),
            template: row.template,
            about: row.about,
            recipient: known_if_any("recipient", row.recipient.as_deref())?,
            recipient_hash: AddressHash::stored(&row.recipient_hash)
                .ok_or_else(|| not_known("recipient_hash"))?,
            class: known("class", &row.class)?,
            category: known("category", &row.category)?,
            guard: row.guard_subject.map(guard),
            requested_by: row.requested_by,
            subject: row.subject,
            outcome,
            round: row.round,
            create_time: row.create_time,
            delivery_outcome: delivery_outcome.zip(row.delivery_outcome_time),
        })
    }
}
