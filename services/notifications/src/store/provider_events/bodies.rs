//! The bodies of events. They have their own file because they are personal and are purged, unless they mention somebody
//! whose rows must stay (`runtime.holds`).

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::DbError,
    webhook::{Bodies, PurgeStatement},
};
use sqlx::PgConnection;

use crate::domain::provider_event::ProviderEventId;

/// The body of an event. None if it was purged.
pub(crate) async fn get(conn: &mut PgConnection, id: ProviderEventId) -> Result<Option<Vec<u8>>, DbError> {
    let body =
        sqlx::query_scalar!("SELECT body FROM provider_events WHERE provider_event_id = $1", id.as_uuid())
            .fetch_optional(conn)
            .await?;
    Ok(body.flatten())
}

/// The bodies in the form that the chassis' purge needs.
pub(crate) struct ProviderEventBodies;

impl Bodies for ProviderEventBodies {
    fn settled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
            "WITH old AS MATERIALIZED (
                 SELECT provider_event_id FROM provider_events
                 WHERE settle_time < $1 AND body IS NOT NULL
                   AND NOT EXISTS (
                       SELECT FROM runtime.holds AS held
                       WHERE held.stands
                         AND strpos(lower(encode(body, 'escape')), lower(coalesce(held.email, held.stripe_customer, held.owner_sub))) > 0
                   )
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

    // These are events that were not processed in time, whatever their state.
    fn unsettled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
            "WITH old AS MATERIALIZED (
                 SELECT provider_event_id FROM provider_events
                 WHERE settle_time IS NULL AND body IS NOT NULL AND receive_time < $1
                   AND NOT EXISTS (
                       SELECT FROM runtime.holds AS held
                       WHERE held.stands
                         AND strpos(lower(encode(body, 'escape')), lower(coalesce(held.email, held.stripe_customer, held.owner_sub))) > 0
                   )
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
