//! Verifies and stores one Stripe webhook, and answers after the commit. The gateway calls it. It wakes the journal's worker,
//! which interprets the event.

use bytes::Bytes;
use levqor_proto_billing::v1::{IngestStripeEventRequest, IngestStripeEventResponse};
use levqor_runtime::{
    context::Ctx,
    telemetry,
    webhook::{Journaled, SignatureHeaders},
};

use crate::{
    Billing,
    domain::stripe_event::{Envelope, NotOurs, State},
    error::Error,
    intake::Arrival,
};

pub(crate) async fn ingest_stripe_event(
    billing: &Billing,
    _: Ctx,
    request: IngestStripeEventRequest,
) -> Result<IngestStripeEventResponse, Error> {
    let headers = SignatureHeaders::Timestamped(&request.signature);
    let journaled = journal(billing, &request.body);
    let Journaled { event_id, duplicate, state } =
        billing.webhooks.take(headers, &request.body, journaled).await?;
    Ok(IngestStripeEventResponse { event_id, duplicate, state: state.into() })
}

/// Stores a verified event. Concurrent events share a commit.
async fn journal(billing: &Billing, body: &Bytes) -> Result<Journaled<State>, Error> {
    let event = Envelope::read(body)?;
    let (event_type, livemode) = (event.event_type.clone(), event.livemode);
    let not_ours = event.not_ours(billing.acts_on);
    let arrival = Arrival {
        first_state: event.first_state(billing.acts_on),
        not_ours,
        event,
        body: body.clone(),
        trace_parent: telemetry::current_trace_parent(),
    };
    let journaled = billing.intake.write(arrival).await?;
    let Journaled { event_id, duplicate, state } = &journaled;
    if *state == State::Pending {
        // Also for a duplicate: the first call may have failed before it woke the worker.
        billing.chassis.wakes.journal.notify_one();
    } else if !duplicate {
        // Ignored on arrival, so no worker will count it.
        billing.metrics.judged(*state, 1);
        match not_ours {
            Some(reason) => billing.metrics.not_ours(reason, livemode),
            None => billing.metrics.ignored(&event_type),
        }
    }
    tracing::info!(
        stripe_event.id = event_id.as_str(),
        stripe_event.type = event_type,
        duplicate,
        reason = not_ours.map(NotOurs::as_str),
        "the Stripe event was journaled"
    );
    Ok(journaled)
}
