//! Purges the bodies of Stripe events that were processed more than 30 days ago; deferred to oneself by a schedule.

use std::sync::Arc;

use chrono::TimeDelta;
use levqor_proto::billing::v1::{PurgeStripeEventBodiesRequest, PurgeStripeEventBodiesResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error, store::stripe_events};

/// How long bodies are kept after processing; the column's comment in the migration says the same.
const KEEP: TimeDelta = TimeDelta::days(30);
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
        let purged = stripe_events::purge_bodies(&mut tx, KEEP, BATCH).await?;
        tx.commit().await?;
        if purged == 0 {
            return Ok(PurgeStripeEventBodiesResponse { purged: total });
        }
        total = total.saturating_add_unsigned(purged);
    }
}
