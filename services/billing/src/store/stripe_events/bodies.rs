//! The bodies of events: kept apart in the code because they are large, personal, and do not stay.

use chrono::TimeDelta;
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::stripe_event::StripeEvent;

/// An event's body, unless it was purged.
pub(crate) async fn get(conn: &mut PgConnection, event: &StripeEvent) -> Result<Option<Vec<u8>>, DbError> {
    let event_id = event.envelope.event_id.as_str();
    let body = sqlx::query_scalar!("SELECT body FROM stripe_events WHERE event_id = $1", event_id)
        .fetch_optional(conn)
        .await?;
    Ok(body.flatten())
}

/// Removes the bodies of up to `limit` events that were done with longer than `age` ago; how many. Bodies that are just
/// being used are left for the next batch.
pub(crate) async fn purge(conn: &mut PgConnection, age: TimeDelta, limit: i64) -> Result<u64, DbError> {
    let before = levqor_runtime::db::now(conn).await? - age;
    let purged = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT event_id FROM stripe_events
             WHERE process_time < $1 AND body IS NOT NULL
             ORDER BY process_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE stripe_events AS event
         SET body = NULL
         FROM old WHERE event.event_id = old.event_id",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(purged.rows_affected())
}

/// The same for events that came longer than `age` ago and are quarantined: nobody fixed in time what they need.
pub(crate) async fn purge_quarantined(
    conn: &mut PgConnection,
    age: TimeDelta,
    limit: i64,
) -> Result<u64, DbError> {
    let before = levqor_runtime::db::now(conn).await? - age;
    let purged = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT event_id FROM stripe_events
             WHERE state = 'QUARANTINED' AND body IS NOT NULL AND receive_time < $1
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE stripe_events AS event
         SET body = NULL
         FROM old WHERE event.event_id = old.event_id",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(purged.rows_affected())
}
