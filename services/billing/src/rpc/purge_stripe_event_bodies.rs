//! Purges the bodies of Stripe events that were settled more than 30 days ago, and of quarantined events that arrived more than
//! 90 days ago. A schedule of this service defers the call.

use levqor_proto_billing::v1::{PurgeStripeEventBodiesRequest, PurgeStripeEventBodiesResponse};
use levqor_runtime::{context::Ctx, webhook::purge_bodies};

use crate::{Billing, error::Error, store::stripe_events::bodies::StripeEventBodies};

pub(super) async fn purge_stripe_event_bodies(
    billing: &Billing,
    _: Ctx,
    _: PurgeStripeEventBodiesRequest,
) -> Result<PurgeStripeEventBodiesResponse, Error> {
    let purged = purge_bodies::<StripeEventBodies>(&billing.chassis.db).await?;
    Ok(PurgeStripeEventBodiesResponse { purged })
}
