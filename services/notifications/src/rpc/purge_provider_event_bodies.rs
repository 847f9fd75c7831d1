//! `PurgeProviderEventBodies`: purges the bodies of events that were settled more than 30 days ago, and of other events that
//! arrived more than 90 days ago. A schedule defers it to this service itself.
//!
//! First it settles events that have waited for their message too long. Usually a deferred call has already settled them. But
//! that call may have been made early, because staff replayed it or a clock was behind. An early call changes nothing and is not
//! repeated.

use levqor_proto_notifications::v1::{PurgeProviderEventBodiesRequest, PurgeProviderEventBodiesResponse};
use levqor_runtime::{context::Ctx, db::DbError, webhook::purge_bodies};

use crate::{
    Notifications,
    domain::provider_event::WAIT,
    error::Error,
    metrics::EventVerdict,
    store::provider_events::{self, bodies::ProviderEventBodies},
};

/// The rows of one transaction, so that no lock is held for long.
const BATCH: i64 = 500;

pub(super) async fn purge_provider_event_bodies(
    notifications: &Notifications,
    _: Ctx,
    _: PurgeProviderEventBodiesRequest,
) -> Result<PurgeProviderEventBodiesResponse, Error> {
    while stop_waiting(notifications).await? {}
    let purged = purge_bodies::<ProviderEventBodies>(&notifications.chassis.db).await?;
    Ok(PurgeProviderEventBodiesResponse { purged })
}

/// Settles one batch of events as unmatched. Returns false if there was none.
async fn stop_waiting(notifications: &Notifications) -> Result<bool, DbError> {
    let mut tx = notifications.chassis.db.begin().await?;
    let types = provider_events::stop_waiting(&mut tx, WAIT, BATCH).await?;
    tx.commit().await?;
    for event_type in &types {
        notifications.metrics.judged(event_type.as_deref(), EventVerdict::Unmatched);
    }
    Ok(!types.is_empty())
}
