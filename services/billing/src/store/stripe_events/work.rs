//! The journal as a work list: due events, and their verdicts.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, known, known_if_any};
use sqlx::PgConnection;

use crate::domain::{
    stripe_event::{News, NotOurs, Verdict},
    stripe_id::StripeId,
};

/// An event that is processed this soon after it happened is not late.
const AT_ONCE: TimeDelta = TimeDelta::minutes(1);

/// One attempt of an event, as it was loaded.
pub(crate) struct Try {
    pub(crate) sequence: i64,
    /// The number of attempts before this one.
    pub(crate) attempts: i32,
    /// How often the event was replayed before this attempt.
    pub(crate) replays: i32,
}

/// A pending event, with the fields that its processing needs.
pub(crate) struct Pending {
    pub(crate) this: Try,
    pub(crate) event_id: StripeId,
    pub(crate) event_type: String,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) receive_time: DateTime<Utc>,
    /// Whether it was ignored before.
    taken_up: bool,
    pub(crate) livemode: Option<bool>,
    pub(crate) of_other_account: bool,
    pub(crate) object_id: Option<StripeId>,
    /// Absent if it was purged or not requested.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) trace_parent: String,
}

impl Pending {
    /// Whether the person of the event may have been erased after it happened: the event came late, is old by now, or is processed
    /// again. `now` is the time of this process, which may be behind the database's.
    pub(crate) fn is_late(&self, now: DateTime<Utc>) -> bool {
        let is_again = self.taken_up || self.this.attempts > 0 || self.this.replays > 0;
        is_again || now.max(self.receive_time) - self.create_time > AT_ONCE
    }

    /// Which facts of the event are recent enough for mails.
    pub(crate) fn news(&self, now: DateTime<Utc>) -> News {
        News::of(self.taken_up, self.receive_time, now)
    }
}

/// Loads the due events of a key in the order of their arrival, or only the event with this sequence number, due or not. It loads
/// the bodies of all events if `with_bodies` is set, and otherwise only those of events whose type is in `told_in_bodies`.
pub(crate) async fn pending(
    conn: &mut PgConnection,
    lease_key: &str,
    only: Option<i64>,
    with_bodies: bool,
    told_in_bodies: &[&str],
    limit: i64,
) -> Result<Vec<Pending>, DbError> {
    sqlx::query!(
        r#"SELECT sequence, event_id, type AS event_type, create_time, receive_time, taken_up, livemode,
                  account IS NOT NULL AS "of_other_account!", object_id,
                  CASE WHEN $2::boolean OR type = ANY ($5::text[]) THEN body END AS body, attempts, replays, trace_parent
           FROM stripe_events
           WHERE lease_key = $1 AND state = 'PENDING'
             AND CASE WHEN $4::bigint IS NULL THEN due_time <= runtime.now() ELSE sequence = $4 END
           ORDER BY sequence
           LIMIT $3"#,
        lease_key,
        with_bodies,
        limit,
        only,
        told_in_bodies as _,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Pending {
            this: Try { sequence: row.sequence, attempts: row.attempts, replays: row.replays },
            event_id: known("event_id", &row.event_id)?,
            event_type: row.event_type,
            create_time: row.create_time,
            receive_time: row.receive_time,
            taken_up: row.taken_up,
            livemode: row.livemode,
            of_other_account: row.of_other_account,
            object_id: known_if_any("object_id", row.object_id.as_deref())?,
            body: row.body,
            trace_parent: row.trace_parent,
        })
    })
    .collect()
}

/// Looks at the `limit` longest-due events, and marks those as ignored whose type is not in `handled`. Returns their number. It
/// needs no lease: it applies nothing, and a version that handles these types makes the events pending again.
pub(crate) async fn ignore(conn: &mut PgConnection, handled: &[&str], limit: i64) -> Result<u64, DbError> {
    let ignored = sqlx::query!(
        "WITH due AS MATERIALIZED (
             SELECT event_id FROM stripe_events
             WHERE state = 'PENDING' AND due_time <= runtime.now()
             ORDER BY due_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE stripe_events AS event
         SET state = 'IGNORED', attempts = attempts + 1, failure = NULL, process_time = runtime.now()
         FROM due
         WHERE event.event_id = ANY (ARRAY[due.event_id]) AND event.type <> ALL ($1::text[])",
        handled as _,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(ignored.rows_affected())
}

/// Does the same for all due events of a key, in the transaction that holds its lease.
pub(crate) async fn ignore_of(
    conn: &mut PgConnection,
    lease_key: &str,
    handled: &[&str],
) -> Result<u64, DbError> {
    let ignored = sqlx::query!(
        "UPDATE stripe_events
         SET state = 'IGNORED', attempts = attempts + 1, failure = NULL, process_time = runtime.now()
         WHERE lease_key = $1 AND state = 'PENDING' AND due_time <= runtime.now() AND type <> ALL ($2::text[])",
        lease_key,
        handled as _,
    )
    .execute(conn)
    .await?;
    Ok(ignored.rows_affected())
}

/// Makes up to `limit` ignored events of these types pending again, and returns their number. An older version ignored them,
/// before an upgrade or during one. Events that are not ours stay ignored. Events without a body stay ignored if there is no key
/// to refetch with, or nothing to refetch: an erasure took the object's id.
pub(crate) async fn take_up_handled(
    conn: &mut PgConnection,
    handled: &[&str],
    without_bodies: bool,
    limit: i64,
) -> Result<u64, DbError> {
    let taken_up = sqlx::query!(
        "WITH handled AS MATERIALIZED (
             SELECT event_id FROM stripe_events
             WHERE state = 'IGNORED' AND type = ANY ($1::text[]) AND ignore_reason IS NULL
               AND (body IS NOT NULL OR ($2::boolean AND object_id IS NOT NULL))
             LIMIT $3
             FOR UPDATE SKIP LOCKED
         )
         UPDATE stripe_events AS event
         SET state = 'PENDING', taken_up = true, attempts = 0, due_time = runtime.now(), process_time = NULL
         FROM handled
         WHERE event.event_id = ANY (ARRAY[handled.event_id])",
        handled as _,
        without_bodies,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(taken_up.rows_affected())
}

/// Makes up to `limit` events of these types pending again: those that were ignored for their mode, because a setting named the
/// wrong mode when they arrived, and whose mode is now one of `livemodes`. Returns their number. Events without a body stay
/// ignored as above.
pub(crate) async fn take_up_of_modes(
    conn: &mut PgConnection,
    types: &[&str],
    livemodes: &[bool],
    without_bodies: bool,
    limit: i64,
) -> Result<u64, DbError> {
    let taken_up = sqlx::query!(
        "WITH acted_on AS MATERIALIZED (
             SELECT event_id FROM stripe_events
             WHERE state = 'IGNORED' AND type = ANY ($1::text[]) AND ignore_reason = 'OTHER_MODE'
               AND livemode = ANY ($2::boolean[])
               AND (body IS NOT NULL OR ($3::boolean AND object_id IS NOT NULL))
             LIMIT $4
             FOR UPDATE SKIP LOCKED
         )
         UPDATE stripe_events AS event
         SET state = 'PENDING', taken_up = true, ignore_reason = NULL, attempts = 0, due_time = runtime.now(),
             process_time = NULL
         FROM acted_on
         WHERE event.event_id = ANY (ARRAY[acted_on.event_id])",
        types as _,
        livemodes,
        without_bodies,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(taken_up.rows_affected())
}

/// Whether a key has more due events.
pub(crate) async fn has_pending(conn: &mut PgConnection, lease_key: &str) -> Result<bool, DbError> {
    let more = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM stripe_events
               WHERE lease_key = $1 AND state = 'PENDING' AND due_time <= runtime.now()
           ) AS "more!""#,
        lease_key,
    )
    .fetch_one(conn)
    .await?;
    Ok(more)
}

/// The fields that every version can read of any event.
pub(crate) struct Due {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) this: Try,
}

/// The longest-due event of a key.
pub(crate) async fn longest_due(conn: &mut PgConnection, lease_key: &str) -> Result<Option<Due>, DbError> {
    let row = sqlx::query!(
        "SELECT sequence, event_id, type AS event_type, attempts, replays
         FROM stripe_events
         WHERE lease_key = $1 AND state = 'PENDING' AND due_time <= runtime.now()
         ORDER BY due_time, sequence
         LIMIT 1",
        lease_key,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Due {
        event_id: row.event_id,
        event_type: row.event_type,
        this: Try { sequence: row.sequence, attempts: row.attempts, replays: row.replays },
    }))
}

/// Settles one attempt of an event, in the transaction that holds its key's lease. Returns false if the event was replayed after
/// it was loaded: it then stays pending, because the attempt used older data.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    lease_key: &str,
    this: &Try,
    verdict: &Verdict,
    retry_at: Option<DateTime<Utc>>,
) -> Result<bool, DbError> {
    let settled = sqlx::query!(
        "UPDATE stripe_events
         SET state = $3, failure = $4, ignore_reason = $8, attempts = $6, due_time = coalesce($5, due_time),
             process_time = CASE WHEN $3 IN ('PROCESSED', 'IGNORED') THEN runtime.now() END
         WHERE lease_key = $1 AND sequence = $2 AND state = 'PENDING' AND replays = $7",
        lease_key,
        this.sequence,
        verdict.state().as_str(),
        verdict.failure(),
        retry_at,
        this.attempts + 1,
        this.replays,
        verdict.not_ours().map(NotOurs::as_str),
    )
    .execute(conn)
    .await?;
    Ok(settled.rows_affected() > 0)
}

/// Removes from an event the data that identifies its person, as an erasure does.
pub(crate) async fn scrub(conn: &mut PgConnection, event_id: &StripeId) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE stripe_events
         SET account = NULL, object_id = NULL, stripe_customer_id = NULL, lease_key = 'erased', body = NULL
         WHERE event_id = $1",
        event_id.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
