//! Verifies one Stripe webhook, stores its bytes, and answers only after the commit; the gateway calls it. Understanding
//! the event is the journal's work, which this wakes.

use std::sync::Arc;

use levqor_proto_billing::v1::{IngestStripeEventRequest, IngestStripeEventResponse};
use levqor_runtime::{context::Ctx, webhook::PROBE};

use crate::{
    Billing,
    domain::{
        signature,
        stripe_event::{Envelope, NotOurs, State},
    },
    error::Error,
    store::stripe_events::Journaled,
};

pub(crate) async fn ingest_stripe_event(
    billing: Arc<Billing>,
    _: Ctx,
    request: IngestStripeEventRequest,
) -> Result<IngestStripeEventResponse, Error> {
    // Whether its signature is good or not, a probe is none of Stripe's webhooks, and is not counted among them.
    let probe = request.body == PROBE.as_bytes();
    let taken = ingest(&billing, request).await;
    match &taken {
        Ok(response) => billing.metrics.webhooks.taken(response.duplicate),
        Err(_) if probe => {}
        Err(error) => billing.metrics.webhooks.refused(error),
    }
    taken
}

async fn ingest(
    billing: &Billing,
    request: IngestStripeEventRequest,
) -> Result<IngestStripeEventResponse, Error> {
    // Nothing of the body is believed, not even that it is JSON, before its signature is good.
    let now = billing.chassis.clock.now();
    let secret = signature::verify(&billing.webhooks, &request.signature, &request.body, now)?;
    if request.body == PROBE.as_bytes() {
        return Err(Error::Probe);
    }
    billing.metrics.webhooks.verified(secret);
    let event = Envelope::read(&request.body)?;

    let (event_id, event_type) = (event.event_id.clone(), event.event_type.clone());
    let (not_ours, livemode) = (event.not_ours(billing.acts_on), event.livemode);
    let journaled = billing.intake.journal(event, request.body).await?;
    if let Journaled::New(state @ (State::Processed | State::Unheeded | State::Quarantined)) = journaled {
        // Ignored on arrival, so no worker will count it.
        billing.metrics.judged(state, 1);
        if let Some(reason) = not_ours {
            billing.metrics.not_ours(reason, livemode);
        }
    }
    let (duplicate, state) = match journaled {
        Journaled::New(state) => (false, state),
        Journaled::Before(state) => (true, state),
    };
    // A repeat too: the answer of the first may have been lost, and its wake with it.
    if state == State::Pending {
        billing.chassis.wakes.journal.notify_one();
    }
    tracing::info!(
        stripe_event.id = event_id.as_str(),
        stripe_event.type = event_type,
        duplicate,
        reason = not_ours.map(NotOurs::as_str),
        "the Stripe event was journaled"
    );
    let state = levqor_proto_billing::v1::stripe_event::State::from(state).into();
    Ok(IngestStripeEventResponse { event_id: event_id.to_string(), duplicate, state })
}
