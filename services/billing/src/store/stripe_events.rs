//! Table `stripe_events`: the journal of Stripe's events, which is also the work list.

pub(crate) mod bodies;
pub(crate) mod work;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, ListTx, Listed, Page, known, known_if_any},
    request::TypeName,
    webhook::{Backlog, Journaled},
};
use sqlx::{
    PgConnection, Postgres,
    postgres::{PgHasArrayType, PgTypeInfo},
};
use uuid::Uuid;

use crate::{
    domain::{
        stripe_event::{Envelope, NotOurs, State, StripeEvent},
        stripe_id::StripeId,
    },
    intake::Arrival,
};

/// Stores events in one statement; the primary key keeps each only once. The results are in the order of the events. Callers must
/// sort the events by id, so that two inserts cannot deadlock. Events of unhandled types are stored as ignored at once: to store
/// them as pending first would double the work without any effect.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
) -> Result<Vec<Journaled<State>>, DbError> {
    match arrivals {
        [alone] => Ok(vec![insert_one(conn, alone).await?]),
        _ => insert_many(conn, arrivals).await,
    }
}

/// Stores one event. For a single row `insert_many`'s statement costs PostgreSQL a fifth more: it has to unpack an array and
/// return rows.
async fn insert_one(conn: &mut PgConnection, arrival: &Arrival) -> Result<Journaled<State>, DbError> {
    let row = ArrivalRow::of(arrival);
    let inserted = sqlx::query!(
        "INSERT INTO stripe_events (
             event_id, create_time, type, api_version, livemode, account, object_id, stripe_customer_id, lease_key,
             body, trace_parent, state, ignore_reason, process_time, receive_time, due_time
         )
         VALUES (
             $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             CASE WHEN $12 <> 'PENDING' THEN runtime.now() END, runtime.now(), runtime.now()
         )
         ON CONFLICT ON CONSTRAINT stripe_events_key DO NOTHING",
        row.event_id,
        row.create_time,
        row.r#type,
        row.api_version,
        row.livemode,
        row.account,
        row.object_id,
        row.stripe_customer_id,
        row.lease_key,
        row.body,
        row.trace_parent,
        row.state,
        row.ignore_reason,
    )
    .execute(&mut *conn)
    .await?;
    journaled(conn, arrival, inserted.rows_affected() > 0).await
}

async fn insert_many(
    conn: &mut PgConnection,
    arrivals: &[Arrival],
) -> Result<Vec<Journaled<State>>, DbError> {
    let rows: Vec<_> = arrivals.iter().map(ArrivalRow::of).collect();
    let inserted = sqlx::query!(
        r#"INSERT INTO stripe_events (
               event_id, create_time, type, api_version, livemode, account, object_id, stripe_customer_id, lease_key,
               body, trace_parent, state, ignore_reason, process_time, receive_time, due_time
           )
           SELECT event.*, CASE WHEN event.state <> 'PENDING' THEN runtime.now() END, runtime.now(), runtime.now()
           FROM unnest($1::stripe_event_arrival[]) AS event
           ON CONFLICT ON CONSTRAINT stripe_events_key DO NOTHING
           RETURNING event_id"#,
        &rows as _,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut new: HashSet<_> = inserted.iter().map(|row| row.event_id.as_str()).collect();
    let mut answers = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        // Of several copies in one batch, the first counts as new.
        let is_new = new.remove(arrival.event.event_id.as_str());
        answers.push(journaled(conn, arrival, is_new).await?);
    }
    Ok(answers)
}

/// Returns the state of a stored arrival. The state is read from the database if the event is not new.
async fn journaled(
    conn: &mut PgConnection,
    arrival: &Arrival,
    is_new: bool,
) -> Result<Journaled<State>, DbError> {
    let event_id = &arrival.event.event_id;
    let state = if is_new { arrival.first_state } else { state(conn, event_id).await? };
    Ok(Journaled { event_id: event_id.to_string(), duplicate: !is_new, state })
}

/// An arrival as the statement's parameter.
#[derive(sqlx::Encode)]
struct ArrivalRow<'a> {
    event_id: &'a str,
    create_time: DateTime<Utc>,
    r#type: &'a str,
    api_version: Option<&'a str>,
    livemode: Option<bool>,
    account: Option<&'a str>,
    object_id: Option<&'a str>,
    stripe_customer_id: Option<&'a str>,
    lease_key: &'a str,
    body: &'a [u8],
    trace_parent: &'a str,
    state: &'a str,
    ignore_reason: Option<&'a str>,
}

impl sqlx::Type<Postgres> for ArrivalRow<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("stripe_event_arrival")
    }
}

impl PgHasArrayType for ArrivalRow<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_stripe_event_arrival")
    }
}

impl<'a> ArrivalRow<'a> {
    fn of(Arrival { event, body, trace_parent, first_state, not_ours }: &'a Arrival) -> Self {
        Self {
            event_id: event.event_id.as_str(),
            create_time: event.create_time,
            r#type: &event.event_type,
            api_version: event.api_version.as_deref(),
            livemode: event.livemode,
            account: event.account.as_ref().map(StripeId::as_str),
            object_id: event.object_id.as_ref().map(StripeId::as_str),
            stripe_customer_id: event.stripe_customer_id.as_ref().map(StripeId::as_str),
            lease_key: event.lease_key().as_str(),
            body,
            trace_parent,
            state: first_state.as_str(),
            ignore_reason: not_ours.map(NotOurs::as_str),
        }
    }
}

/// Gets the state of an event that was stored before.
async fn state(conn: &mut PgConnection, event_id: &StripeId) -> Result<State, DbError> {
    let state = sqlx::query_scalar!("SELECT state FROM stripe_events WHERE event_id = $1", event_id.as_str())
        .fetch_one(conn)
        .await?;
    known("state", &state)
}

/// Gets one event, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    event_id: &StripeId,
) -> Result<Option<StripeEvent>, DbError> {
    sqlx::query_as!(
        Row,
        r#"SELECT sequence, event_id, create_time, type AS event_type, api_version, livemode, account, object_id,
                  stripe_customer_id, state, ignore_reason, attempts, receive_time, process_time, failure,
                  body IS NULL AS "body_purged!"
           FROM stripe_events WHERE event_id = $1 FOR UPDATE"#,
        event_id.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(StripeEvent::try_from)
    .transpose()
}

/// Makes an event that `lock` locked pending again, and sets its attempts back to none.
pub(crate) async fn replay(conn: &mut PgConnection, event: &StripeEvent) -> Result<StripeEvent, DbError> {
    sqlx::query_as!(
        Row,
        r#"UPDATE stripe_events
           SET state = 'PENDING', attempts = 0, replays = replays + 1, due_time = runtime.now(), process_time = NULL,
               failure = NULL, ignore_reason = NULL
           WHERE event_id = $1
           RETURNING sequence, event_id, create_time, type AS event_type, api_version, livemode, account, object_id,
                     stripe_customer_id, state, ignore_reason, attempts, receive_time, process_time, failure,
                     body IS NULL AS "body_purged!""#,
        event.envelope.event_id.as_str(),
    )
    .fetch_one(conn)
    .await?
    .try_into()
}

/// Gets one event, without its body.
pub(crate) async fn get(
    conn: &mut PgConnection,
    event_id: &StripeId,
) -> Result<Option<StripeEvent>, DbError> {
    sqlx::query_as!(
        Row,
        r#"SELECT sequence, event_id, create_time, type AS event_type, api_version, livemode, account, object_id,
                  stripe_customer_id, state, ignore_reason, attempts, receive_time, process_time, failure,
                  body IS NULL AS "body_purged!"
           FROM stripe_events WHERE event_id = $1"#,
        event_id.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(StripeEvent::try_from)
    .transpose()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) event_type: Option<TypeName>,
}

/// Lists events, newest first: one page and one more event. It does not read bodies.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<StripeEvent>>, DbError> {
    // The index on types begins with the state, because an index on types alone would slow down every webhook. So a filter by
    // type names every state.
    let states = match (filter.state, &filter.event_type) {
        (Some(state), _) => Some(vec![state.as_str()]),
        (None, Some(_)) => Some(State::ALL.map(State::as_str).to_vec()),
        (None, None) => None,
    };
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT sequence, event_id, create_time, type AS event_type, api_version, livemode, account, object_id,
                  stripe_customer_id, state, ignore_reason, attempts, receive_time, process_time, failure,
                  body IS NULL AS "body_purged!"
           FROM stripe_events
           WHERE ($1::text[] IS NULL OR state = ANY ($1))
             AND ($2::text IS NULL OR type = $2)
             AND ($3::timestamptz IS NULL OR (receive_time, sequence) < ($3, $4::bigint))
           ORDER BY receive_time DESC, sequence DESC
           LIMIT $5"#,
        states as _,
        filter.event_type.as_ref().map(TypeName::as_str),
        page.after_time(),
        page.after_id().map(sequence_of),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("stripe_events", place(&row), StripeEvent::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// An event's key in lists. The runtime keys pages by time and UUID, so the sequence number becomes the low half of a UUID.
fn place(row: &Row) -> (DateTime<Utc>, Uuid) {
    (row.receive_time, Uuid::from_u64_pair(0, row.sequence.cast_unsigned()))
}

fn sequence_of(place: Uuid) -> i64 {
    place.as_u64_pair().1.cast_signed()
}

/// Measures the backlog: the pending events, how long the oldest of them is due, the quarantined events, and when the last event
/// arrived. Each count has an upper bound.
pub(crate) async fn backlog(conn: &mut PgConnection) -> Result<Backlog, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (SELECT FROM stripe_events WHERE state = 'PENDING' LIMIT 100000) AS p)
                      AS "pending!",
                  (SELECT count(*) FROM (SELECT FROM stripe_events WHERE state = 'QUARANTINED' LIMIT 100000) AS q)
                      AS "quarantined!",
                  greatest(extract(epoch FROM runtime.now() - (
                      SELECT due_time FROM stripe_events WHERE state = 'PENDING' ORDER BY due_time LIMIT 1
                  )), 0)::double precision AS "oldest_due_age_s!",
                  (SELECT receive_time FROM stripe_events ORDER BY receive_time DESC LIMIT 1) AS last_receive_time"#,
    )
    .fetch_one(conn)
    .await?;
    Ok(Backlog {
        journal: "stripe_events",
        pending: row.pending,
        quarantined: row.quarantined,
        oldest_due_age_s: Some(row.oldest_due_age_s),
        last_receive_time: row.last_receive_time,
    })
}

/// A row as it is stored.
struct Row {
    sequence: i64,
    event_id: String,
    create_time: DateTime<Utc>,
    event_type: String,
    api_version: Option<String>,
    livemode: Option<bool>,
    account: Option<String>,
    object_id: Option<String>,
    stripe_customer_id: Option<String>,
    state: String,
    ignore_reason: Option<String>,
    attempts: i32,
    receive_time: DateTime<Utc>,
    process_time: Option<DateTime<Utc>>,
    failure: Option<String>,
    body_purged: bool,
}

impl TryFrom<Row> for StripeEvent {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let envelope = Envelope {
            event_id: known("event_id", &row.event_id)?,
            event_type: row.event_type,
            create_time: row.create_time,
            api_version: row.api_version,
            livemode: row.livemode,
            account: known_if_any("account", row.account.as_deref())?,
            object_id: known_if_any("object_id", row.object_id.as_deref())?,
            stripe_customer_id: known_if_any("stripe_customer_id", row.stripe_customer_id.as_deref())?,
        };
        Ok(Self {
            envelope,
            state: known("state", &row.state)?,
            not_ours: known_if_any("ignore_reason", row.ignore_reason.as_deref())?,
            receive_time: row.receive_time,
            process_time: row.process_time,
            attempts: row.attempts,
            failure: row.failure,
            body_purged: row.body_purged,
        })
    }
}
