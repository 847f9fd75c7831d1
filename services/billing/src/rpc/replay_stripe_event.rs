//! Makes a Stripe event pending again, whatever its state, for staff. The audit chain records it. The journal processes the event
//! as if it were new, but its effects do not happen twice.

use std::sync::Arc;

use levqor_proto_billing::v1::{ReplayStripeEventRequest, ReplayStripeEventResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::stripe_event::{State, StripeEvent},
    error::Error,
    fail_point, operators,
    store::stripe_events,
};

pub(super) async fn replay_stripe_event(
    billing: &Billing,
    ctx: Ctx,
    request: ReplayStripeEventRequest,
) -> Result<ReplayStripeEventResponse, Error> {
    let event_id = id("event_id", &request.event_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let event = stripe_events::lock(tx, &event_id).await?.ok_or(Error::StripeEventNotFound)?;
        if event.body_purged && !can_refetch(billing, &event) {
            return Err(Error::BodyPurged);
        }
        if event.state == State::Quarantined {
            operators::replayed(tx, event_id.as_str()).await?;
        }
        let event = stripe_events::replay(tx, &event).await?;
        let journal = Arc::clone(&billing.chassis.wakes.journal);
        tx.after_commit(move || {
            fail_point::REPLAY_COMMITTED.reached();
            journal.notify_one();
        });
        let response = ReplayStripeEventResponse { stripe_event: Some(event.into()) };
        Ok(Done::audited(response, "stripe_event.replay", &[("stripe_event_id", &event_id)]))
    })
    .await
}

/// Whether the event can be processed without its body.
fn can_refetch(billing: &Billing, event: &StripeEvent) -> bool {
    let envelope = &event.envelope;
    billing.stripe.is_some() && envelope.object().is_some() && envelope.object_id.is_some()
}
