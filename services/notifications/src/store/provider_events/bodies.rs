//! The bodies of events: kept apart in the code because they are personal, and do not stay.

use chrono::TimeDelta;
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::provider_event::ProviderEventId;

/// An event's body, unless it was purged.
pub(crate) async fn get(conn: &mut PgConnection, id: ProviderEventId) -> Result<Option<Vec<u8>>, DbError> {
    let body =
        sqlx::query_scalar!("SELECT body FROM provider_events WHERE provider_event_id = $1", id.as_uuid())
            .fetch_optional(conn)
            .await?;
    Ok(body.flatten())
}

/// Removes the bodies of up to `limit` events that were done with longer than `age` ago; how many.
pub(crate) async fn purge(conn: &mut PgConnection, age: TimeDelta, limit: i64) -> Result<u64, DbError> {
    let before = levqor_runtime::db::now(conn).await? - age;
    let purged = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT provider_event_id FROM provider_events
             WHERE settle_time < $1 AND body IS NOT NULL
             ORDER BY settle_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE provider_events AS event SET body = NULL
         FROM old WHERE event.provider_event_id = old.provider_event_id",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(purged.rows_affected())
}

/// The same for events that came longer than `age` ago and were never done with, whatever state they are in: nobody fixed in
/// time what they need.
pub(crate) async fn purge_unsettled(
    conn: &mut PgConnection,
    age: TimeDelta,
    limit: i64,
) -> Result<u64, DbError> {
    let before = levqor_runtime::db::now(conn).await? - age;
    let purged = sqlx::query!(
        "WITH old AS MATERIALIZED (
             SELECT provider_event_id FROM provider_events
             WHERE settle_time IS NULL AND body IS NOT NULL AND receive_time < $1
             ORDER BY receive_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE provider_events AS event SET body = NULL
         FROM old WHERE event.provider_event_id = old.provider_event_id",
        before,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(purged.rows_affected())
}
