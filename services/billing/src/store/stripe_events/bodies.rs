//! The bodies of events. They have their own file because they are large and personal, and are purged, unless they mention somebody
//! whose rows must stay (`runtime.holds`).

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::DbError,
    webhook::{Bodies, PurgeStatement},
};
use sqlx::PgConnection;

use crate::domain::stripe_event::StripeEvent;

/// Gets an event's body, unless it was purged.
pub(crate) async fn get(conn: &mut PgConnection, event: &StripeEvent) -> Result<Option<Vec<u8>>, DbError> {
    let event_id = event.envelope.event_id.as_str();
    let body = sqlx::query_scalar!("SELECT body FROM stripe_events WHERE event_id = $1", event_id)
        .fetch_optional(conn)
        .await?;
    Ok(body.flatten())
}

/// The bodies, for the purge of the chassis.
pub(crate) struct StripeEventBodies;

impl Bodies for StripeEventBodies {
    fn settled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
            "WITH old AS MATERIALIZED (
                 SELECT event_id FROM stripe_events
                 WHERE process_time < $1 AND body IS NOT NULL
                   AND NOT EXISTS (
                       SELECT FROM runtime.holds AS held
                       WHERE held.stands
                         AND strpos(lower(encode(body, 'escape')), lower(coalesce(held.email, held.stripe_customer, held.owner_sub))) > 0
                   )
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
    }

    fn unsettled(before: DateTime<Utc>, limit: i64) -> PurgeStatement {
        sqlx::query!(
            "WITH old AS MATERIALIZED (
                 SELECT event_id FROM stripe_events
                 WHERE state = 'QUARANTINED' AND body IS NOT NULL AND receive_time < $1
                   AND NOT EXISTS (
                       SELECT FROM runtime.holds AS held
                       WHERE held.stands
                         AND strpos(lower(encode(body, 'escape')), lower(coalesce(held.email, held.stripe_customer, held.owner_sub))) > 0
                   )
                 LIMIT $2
                 FOR UPDATE SKIP LOCKED
             )
             UPDATE stripe_events AS event
             SET body = NULL
             FROM old WHERE event.event_id = old.event_id",
            before,
            limit,
        )
    }
}
