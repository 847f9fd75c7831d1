//! The bodies of events: kept apart in the code because they are personal, and do not stay.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::DbError,
    webhook::{Bodies, PurgeStatement},
};
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

/// The bodies, as the purge of the chassis knows them.
pub(crate) struct ProviderEventBodies;

impl Bodies for ProviderEventBodies {
    fn settled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
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
    }

    // Events of whatever state: nobody fixed in time what they need.
    fn unsettled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
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
    }
}
