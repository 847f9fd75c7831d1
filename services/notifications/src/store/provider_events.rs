//! Table `provider_events`: the journal of events that mail providers sent about our mails.

pub(crate) mod bodies;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, one_row},
    request::TypeName,
    webhook::Backlog,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    inbound_mail::InboundMailId,
    message::MessageId,
    provider_event::{EventId, EventState, ProviderEvent, ProviderEventId},
};

/// An event that has just arrived.
pub(crate) struct NewEvent<'a> {
    pub(crate) id: ProviderEventId,
    pub(crate) event_id: &'a EventId,
    pub(crate) provider: &'static str,
    pub(crate) event_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
    pub(crate) receive_time: DateTime<Utc>,
}

/// Stores an event as pending. Returns false and stores nothing if the event was stored before.
pub(crate) async fn insert(conn: &mut PgConnection, event: &NewEvent<'_>) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO provider_events (provider_event_id, event_id, provider, type, body, receive_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT provider_events_event DO NOTHING",
        event.id.as_uuid(),
        event.event_id.as_str(),
        event.provider,
        event.event_type,
        event.body,
        event.receive_time,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Our id and the state of an event that was stored before.
pub(crate) async fn stored(
    conn: &mut PgConnection,
    provider: &str,
    event_id: &EventId,
) -> Result<(ProviderEventId, EventState), DbError> {
    let row = sqlx::query!(
        "SELECT provider_event_id, state FROM provider_events WHERE provider = $1 AND event_id = $2",
        provider,
        event_id.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok((row.provider_event_id.into(), known("state", &row.state)?))
}

/// One event, without its body.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: ProviderEventId,
) -> Result<Option<ProviderEvent>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT provider_event_id, event_id, provider, type AS event_type, state, provider_message_id, message_id, failure,
                create_time, receive_time, settle_time
         FROM provider_events WHERE provider_event_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(ProviderEvent::try_from).transpose()
}

/// Gets one event and locks its row until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: ProviderEventId,
) -> Result<Option<ProviderEvent>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT provider_event_id, event_id, provider, type AS event_type, state, provider_message_id, message_id, failure,
                create_time, receive_time, settle_time
         FROM provider_events WHERE provider_event_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(ProviderEvent::try_from).transpose()
}

/// The events to list. An empty filter field matches all.
pub(crate) struct Filter {
    pub(crate) state: Option<EventState>,
    pub(crate) event_type: Option<TypeName>,
}

/// A page of events, newest first, and one more event if there is a next page.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<ProviderEvent>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT provider_event_id, event_id, provider, type AS event_type, state, provider_message_id, message_id, failure,
                create_time, receive_time, settle_time
         FROM provider_events
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::text IS NULL OR type = $2)
           AND ($3::timestamptz IS NULL OR (receive_time, provider_event_id) < ($3, $4::uuid))
         ORDER BY receive_time DESC, provider_event_id DESC
         LIMIT $5",
        filter.state.map(EventState::as_str),
        filter.event_type.as_ref().map(TypeName::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.receive_time, row.provider_event_id);
        Listed::new("provider_events", place, ProviderEvent::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// Takes a lock on a provider's id for a mail, until the transaction ends. Code that searches for the message of this id takes
/// the lock, and so does code that gives a message this id. Without the lock, an event could become unmatched at the same moment
/// as its message gets the id.
pub(crate) async fn hold(conn: &mut PgConnection, provider_message_id: &str) -> Result<(), DbError> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('provider_message_id ' || $1, 0)) AS "held""#,
        provider_message_id,
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Events about this mail that wait or are unmatched because no message had its id, and whose body is not purged.
pub(crate) async fn waiting(
    conn: &mut PgConnection,
    provider: &str,
    provider_message_id: &str,
) -> Result<Vec<ProviderEventId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT provider_event_id FROM provider_events
         WHERE state IN ('AWAITING_MESSAGE', 'UNMATCHED') AND provider_message_id = $2 AND provider = $1 AND body IS NOT NULL",
        provider,
        provider_message_id,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ProviderEventId::from).collect())
}

/// The result of processing an event.
#[derive(Default)]
pub(crate) struct Learnt<'a> {
    /// The provider's id for the mail that the event is about.
    pub(crate) provider_message_id: Option<&'a str>,
    /// Our message with that id.
    pub(crate) message_id: Option<MessageId>,
    /// The received mail that the event is about.
    pub(crate) inbound_mail_id: Option<InboundMailId>,
    /// When it happened.
    pub(crate) create_time: Option<DateTime<Utc>>,
}

/// Stores a new state for an event that `lock` has locked. The state is neither pending nor quarantined.
pub(crate) async fn put(
    conn: &mut PgConnection,
    id: ProviderEventId,
    state: EventState,
    learnt: &Learnt<'_>,
) -> Result<(), DbError> {
    let settled = state != EventState::AwaitingMessage;
    let put = sqlx::query!(
        "UPDATE provider_events
         SET state = $2, provider_message_id = $3, message_id = $4, create_time = $5, failure = NULL,
             settle_time = CASE WHEN $6 THEN runtime.now() END, inbound_mail_id = $7
         WHERE provider_event_id = $1",
        id.as_uuid(),
        state.as_str(),
        learnt.provider_message_id,
        learnt.message_id.map(MessageId::as_uuid),
        learnt.create_time,
        settled,
        learnt.inbound_mail_id.map(InboundMailId::as_uuid),
    )
    .execute(conn)
    .await?;
    one_row(&put)
}

/// Quarantines an event that cannot be understood or failed too often. Returns its type, or none if the event was already
/// settled.
pub(crate) async fn quarantine(
    conn: &mut PgConnection,
    id: ProviderEventId,
    failure: &str,
) -> Result<Option<Option<String>>, DbError> {
    let event_type = sqlx::query_scalar!(
        "UPDATE provider_events SET state = 'QUARANTINED', failure = $2
         WHERE provider_event_id = $1 AND state IN ('PENDING', 'AWAITING_MESSAGE', 'QUARANTINED')
         RETURNING type",
        id.as_uuid(),
        failure,
    )
    .fetch_optional(conn)
    .await?;
    Ok(event_type)
}

/// Settles up to `limit` waiting events as unmatched, if they arrived longer than `wait` ago. Returns their types.
pub(crate) async fn stop_waiting(
    conn: &mut PgConnection,
    wait: TimeDelta,
    limit: i64,
) -> Result<Vec<Option<String>>, DbError> {
    let before = levqor_runtime::db::now(conn).await? - wait;
    let types = sqlx::query_scalar!(
        "WITH waiting AS MATERIALIZED (
             SELECT provider_event_id FROM provider_events
             WHERE state = 'AWAITING_MESSAGE' AND receive_time <= $1
             ORDER BY receive_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE provider_events AS event SET state = 'UNMATCHED', settle_time = runtime.now()
         FROM waiting WHERE event.provider_event_id = waiting.provider_event_id
         RETURNING event.type",
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(types)
}

/// The numbers of waiting and of quarantined events, each counted up to a limit, and when the last event arrived. Quarantined
/// events without a body do not count: they cannot be processed any more.
pub(crate) async fn backlog(conn: &mut PgConnection) -> Result<Backlog, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (SELECT FROM provider_events
                                         WHERE state IN ('PENDING', 'AWAITING_MESSAGE') LIMIT 100000) AS e) AS "pending!",
                  (SELECT count(*) FROM (SELECT FROM provider_events
                                         WHERE state = 'QUARANTINED' AND body IS NOT NULL LIMIT 100000) AS e) AS "quarantined!",
                  (SELECT receive_time FROM provider_events ORDER BY receive_time DESC LIMIT 1) AS last_receive_time"#,
    )
    .fetch_one(conn)
    .await?;
    Ok(Backlog {
        journal: "provider_events",
        pending: row.pending,
        quarantined: row.quarantined,
        oldest_due_age_s: None,
        last_receive_time: row.last_receive_time,
    })
}

struct Row {
    provider_event_id: Uuid,
    event_id: String,
    provider: String,
    event_type: Option<String>,
    state: String,
    provider_message_id: Option<String>,
    message_id: Option<Uuid>,
    failure: Option<String>,
    create_time: Option<DateTime<Utc>>,
    receive_time: DateTime<Utc>,
    settle_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for ProviderEvent {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.provider_event_id.into(),
            event_id: row.event_id,
            provider: row.provider,
            event_type: row.event_type,
            state: known("state", &row.state)?,
            provider_message_id: row.provider_message_id,
            message_id: row.message_id.map(MessageId::from),
            failure: row.failure,
            create_time: row.create_time,
            receive_time: row.receive_time,
            settle_time: row.settle_time,
        })
    }
}
