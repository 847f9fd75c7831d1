//! `IngestResendEvent`: verifies one webhook of Resend's, stores its bytes together with the deferred call that applies it,
//! and answers only after the commit. The gateway calls it.

use std::sync::Arc;

use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, IngestResendEventRequest, IngestResendEventResponse,
};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    webhook::{PROBE, SignatureError},
};

use crate::{
    Notifications,
    domain::{
        provider_event::{EventId, EventState, ProviderEventId},
        resend_event,
        svix::{self, Headers},
    },
    error::Error,
    fail_point,
    provider::resend::Resend,
    rpc::get_provider_event::state_on_the_wire,
    store::provider_events::{self, NewEvent},
};

pub(crate) async fn ingest_resend_event(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: IngestResendEventRequest,
) -> Result<IngestResendEventResponse, Error> {
    // Whether its signature is good or not, a probe is none of Resend's webhooks, and is not counted among them.
    let probe = request.body == PROBE.as_bytes();
    let taken = ingest(&state, &request).await;
    match &taken {
        Ok(response) => state.webhook_metrics.taken(response.duplicate),
        Err(_) if probe => {}
        Err(error) => state.webhook_metrics.refused(error),
    }
    taken
}

async fn ingest(
    state: &Notifications,
    request: &IngestResendEventRequest,
) -> Result<IngestResendEventResponse, Error> {
    // Nothing of the body is believed, not even that it is JSON, before its signature is good.
    let verifier = state.webhooks.as_ref().ok_or(Error::WebhooksOff)?;
    let headers = Headers {
        id: &request.svix_id,
        timestamp: &request.svix_timestamp,
        signature: &request.svix_signature,
    };
    let secret = svix::verify(verifier, headers, &request.body, state.chassis.clock.now())?;
    let event_id: EventId = request.svix_id.parse().map_err(|_| SignatureError::Malformed)?;
    if request.body == PROBE.as_bytes() {
        return Err(Error::Probe);
    }
    state.webhook_metrics.verified(secret);

    let event_type = resend_event::event_type(&request.body);
    let mut tx = state.chassis.db.begin().await?;
    let now = tx.now().await?;
    let event = NewEvent {
        id: ProviderEventId::new_at(now),
        event_id: &event_id,
        provider: Resend::NAME,
        event_type: event_type.as_deref(),
        body: &request.body,
        receive_time: now,
    };
    let duplicate = !provider_events::insert(&mut tx, &event).await?;
    let (id, stands) = if duplicate {
        provider_events::stored(&mut tx, event.provider, &event_id).await?
    } else {
        let apply = ApplyProviderEventRequest { provider_event_id: event.id.to_string() };
        defer(&mut tx, &apply, format!("provider-event:{}", event.id)).await?;
        (event.id, EventState::Pending)
    };
    tx.commit().await?;
    fail_point::PROVIDER_EVENT_STORED.reached();
    tracing::info!(
        provider_event.id = %id,
        provider_event.type = event_type.as_deref().unwrap_or_default(),
        provider = Resend::NAME,
        duplicate,
        "the provider's event was journaled"
    );
    let state = state_on_the_wire(stands).into();
    Ok(IngestResendEventResponse { event_id: event_id.as_str().to_owned(), duplicate, state })
}
