//! `GetProviderEvent`: shows staff one journaled event with its body.

use levqor_proto_notifications::v1::{self as wire, GetProviderEventRequest, GetProviderEventResponse};
use levqor_runtime::{context::Ctx, request::id, timestamp};

use crate::{
    Notifications,
    domain::provider_event::ProviderEvent,
    error::Error,
    store::provider_events::{self, bodies},
};

pub(super) async fn get_provider_event(
    notifications: &Notifications,
    _: Ctx,
    request: GetProviderEventRequest,
) -> Result<GetProviderEventResponse, Error> {
    let event_id = id("provider_event_id", &request.provider_event_id)?;
    let mut conn = notifications.chassis.db.acquire().await?;
    let event = provider_events::get(&mut conn, event_id).await?.ok_or(Error::ProviderEventNotFound)?;
    let body = bodies::get(&mut conn, event_id).await?.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(GetProviderEventResponse { provider_event: Some(event.into()), body })
}

impl From<ProviderEvent> for wire::ProviderEvent {
    fn from(event: ProviderEvent) -> Self {
        Self {
            provider_event_id: event.id.to_string(),
            event_id: event.event_id,
            provider: event.provider,
            r#type: event.event_type.unwrap_or_default(),
            state: event.state.into(),
            provider_message_id: event.provider_message_id.unwrap_or_default(),
            message_id: event.message_id.map(|id| id.to_string()).unwrap_or_default(),
            create_time: event.create_time.map(timestamp),
            receive_time: Some(timestamp(event.receive_time)),
            settle_time: event.settle_time.map(timestamp),
            failure: event.failure.unwrap_or_default(),
        }
    }
}
