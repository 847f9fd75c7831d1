//! `IngestResendEvent`: verifies one webhook of Resend, and stores its body together with the deferred call that applies it. It
//! answers only after the commit. The gateway calls it.

use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, IngestResendEventRequest, IngestResendEventResponse,
};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    webhook::{Journaled, SignatureError, SignatureHeaders, WebhookError},
};

use crate::{
    Notifications,
    domain::{
        provider_event::{EventId, EventState, ProviderEventId},
        resend_event,
    },
    error::Error,
    fail_point,
    provider::resend::Resend,
    store::provider_events::{self, NewEvent},
};

pub(crate) async fn ingest_resend_event(
    notifications: &Notifications,
    _: Ctx,
    request: IngestResendEventRequest,
) -> Result<IngestResendEventResponse, Error> {
    let headers = SignatureHeaders::Standard {
        id: &request.svix_id,
        timestamp: &request.svix_timestamp,
        signatures: &request.svix_signature,
    };
    let journaled = Box::pin(journal(notifications, &request));
    let Journaled { event_id, duplicate, state } =
        notifications.webhooks.take(headers, &request.body, journaled).await?;
    Ok(IngestResendEventResponse { event_id, duplicate, state: state.into() })
}

/// Stores a verified event and defers the call that applies it.
async fn journal(
    notifications: &Notifications,
    request: &IngestResendEventRequest,
) -> Result<Journaled<EventState>, Error> {
    let event_id: EventId =
        request.svix_id.parse().map_err(|_| WebhookError::from(SignatureError::Malformed))?;
    let event_type = resend_event::event_type(&request.body);
    let mut tx = notifications.chassis.db.begin().await?;
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
    let (id, state) = if duplicate {
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
    Ok(Journaled { event_id: event_id.as_str().to_owned(), duplicate, state })
}
