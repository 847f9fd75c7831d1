//! Purges the bodies of Stripe events that were done with more than 30 days ago, and of quarantined ones that came more
//! than 90 days ago; deferred to oneself by a schedule.

use std::sync::Arc;

use chrono::TimeDelta;
use levqor_proto_billing::v1::{PurgeStripeEventBodiesRequest, PurgeStripeEventBodiesResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error, fail_point, store::stripe_events::bodies};

/// How long bodies are kept once nothing more is to follow from them.
const KEEP: TimeDelta = TimeDelta::days(30);
/// How long those of quarantined events are kept after they came, for a fix and a replay; the column's comment in the
/// migration says the same, because it is the longest.
const KEEP_QUARANTINED: TimeDelta = TimeDelta::days(90);
/// Rows per transaction, so that no lock is held for long.
const BATCH: i64 = 500;

pub(super) async fn purge_stripe_event_bodies(
    billing: Arc<Billing>,
    _: Ctx,
    _: PurgeStripeEventBodiesRequest,
) -> Result<PurgeStripeEventBodiesResponse, Error> {
    let mut total: i64 = 0;
    loop {
        let mut tx = billing.chassis.db.begin().await?;
        let mut purged = bodies::purge(&mut tx, KEEP, BATCH).await?;
        purged += bodies::purge_quarantined(&mut tx, KEEP_QUARANTINED, BATCH).await?;
        tx.commit().await?;
        if purged == 0 {
            return Ok(PurgeStripeEventBodiesResponse { purged: total });
        }
        fail_point::BODIES_PURGED.reached();
        total = total.saturating_add_unsigned(purged);
    }
}
