//! `PurgeProviderEventBodies`: purges the bodies of events that were done with more than 30 days ago, and of all others that
//! came more than 90 days ago; deferred to oneself by a schedule.
//!
//! First it lays aside what has waited for its message for too long. As a rule a deferred call has done that; but one that is
//! made early, because somebody replays it or a clock is behind, finds nothing to do, and is not made again.

use std::sync::Arc;

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{PurgeProviderEventBodiesRequest, PurgeProviderEventBodiesResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Notifications,
    domain::provider_event::WAIT,
    error::Error,
    metrics::EventVerdict,
    store::provider_events::{self, bodies},
};

/// How long bodies are kept once nothing more is to follow from them.
const KEEP: TimeDelta = TimeDelta::days(30);
/// How long those of other events, quarantined ones as a rule, are kept after they came, for a fix and a replay; the column's
/// comment in the migration says the same, because it is the longest.
const KEEP_UNSETTLED: TimeDelta = TimeDelta::days(90);
/// Rows per transaction, so that no lock is held for long.
const BATCH: i64 = 500;

pub(super) async fn purge_provider_event_bodies(
    state: Arc<Notifications>,
    _ctx: Ctx,
    _: PurgeProviderEventBodiesRequest,
) -> Result<PurgeProviderEventBodiesResponse, Error> {
    let mut total: i64 = 0;
    loop {
        let mut tx = state.chassis.db.begin().await?;
        let laid_aside = provider_events::stop_waiting(&mut tx, WAIT, BATCH).await?;
        let mut purged = bodies::purge(&mut tx, KEEP, BATCH).await?;
        purged += bodies::purge_unsettled(&mut tx, KEEP_UNSETTLED, BATCH).await?;
        tx.commit().await?;
        for event_type in &laid_aside {
            state.metrics.judged(event_type.as_deref(), EventVerdict::Unmatched);
        }
        if purged == 0 && laid_aside.is_empty() {
            return Ok(PurgeProviderEventBodiesResponse { purged: total });
        }
        total = total.saturating_add_unsigned(purged);
    }
}
