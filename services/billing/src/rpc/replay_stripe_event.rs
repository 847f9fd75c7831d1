//! Makes a Stripe event pending again, whatever its state, for staff; recorded in the audit chain. The journal processes
//! it as if it had just come, and what it already led to does not happen again.

use std::sync::Arc;

use levqor_proto_billing::v1::{ReplayStripeEventRequest, ReplayStripeEventResponse};
use levqor_runtime::{
    audit,
    context::Ctx,
    error::{Invalid, Violations},
    idempotency::{self, Claim},
};

use crate::{
    Billing,
    domain::{stripe_event::StripeEvent, stripe_id::StripeId},
    error::Error,
    fail_point,
    store::stripe_events,
};

pub(super) async fn replay_stripe_event(
    billing: Arc<Billing>,
    ctx: Ctx,
    request: ReplayStripeEventRequest,
) -> Result<ReplayStripeEventResponse, Error> {
    let Command { event_id } = Command::try_from(&request)?;
    let mut tx = billing.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let event = stripe_events::lock(&mut tx, &event_id).await?.ok_or(Error::StripeEventNotFound)?;
    if event.body_purged && !can_refetch(&billing, &event) {
        return Err(Error::BodyPurged);
    }
    let event = stripe_events::replay(&mut tx, &event).await?;
    let response = ReplayStripeEventResponse { stripe_event: Some(event.into()) };
    ticket.remember(&mut tx, &response).await?;
    let ids = [("stripe_event_id", event_id.as_str())];
    audit::append(&mut tx, &ctx.actor, "stripe_event.replay", &ids).await?;
    tx.commit().await?;
    fail_point::REPLAY_COMMITTED.reached();
    billing.chassis.wakes.journal.notify_one();
    Ok(response)
}

/// Whether the event can be understood without its body.
fn can_refetch(billing: &Billing, event: &StripeEvent) -> bool {
    let envelope = &event.envelope;
    billing.stripe.is_some() && envelope.session_event().is_some() && envelope.object_id.is_some()
}

struct Command {
    event_id: StripeId,
}

impl TryFrom<&ReplayStripeEventRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ReplayStripeEventRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let event_id = violations.parse("event_id", &request.event_id, "an event's id");
        violations.finish(event_id.map(|event_id| Self { event_id }))
    }
}
