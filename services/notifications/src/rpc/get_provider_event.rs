//! `GetProviderEvent`: shows staff one journaled event with the bytes that came.

use std::sync::Arc;

use levqor_proto_notifications::v1::{self as proto, GetProviderEventRequest, GetProviderEventResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Notifications,
    domain::provider_event::{EventState, ProviderEvent, ProviderEventId},
    error::Error,
    store::provider_events::{self, bodies},
};

pub(super) async fn get_provider_event(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: GetProviderEventRequest,
) -> Result<GetProviderEventResponse, Error> {
    let id = parse(&request)?;
    let mut conn = state.chassis.db.acquire().await?;
    let event = provider_events::get(&mut conn, id).await?.ok_or(Error::ProviderEventNotFound)?;
    let body = bodies::get(&mut conn, id).await?.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(GetProviderEventResponse { provider_event: Some(event.into()), body })
}

fn parse(request: &GetProviderEventRequest) -> Result<ProviderEventId, Invalid> {
    let mut violations = Violations::new();
    let id = violations.parse("provider_event_id", &request.provider_event_id, ProviderEventId::EXPECTED);
    violations.finish(id)
}

impl From<ProviderEvent> for proto::ProviderEvent {
    fn from(event: ProviderEvent) -> Self {
        Self {
            provider_event_id: event.id.to_string(),
            event_id: event.event_id,
            provider: event.provider,
            r#type: event.event_type.unwrap_or_default(),
            state: state_on_the_wire(event.state).into(),
            provider_message_id: event.provider_message_id.unwrap_or_default(),
            message_id: event.message_id.map(|id| id.to_string()).unwrap_or_default(),
            create_time: event.create_time.map(timestamp),
            receive_time: Some(timestamp(event.receive_time)),
            settle_time: event.settle_time.map(timestamp),
            failure: event.failure.unwrap_or_default(),
        }
    }
}

/// Where an event stands, as the proto says it.
pub(super) const fn state_on_the_wire(state: EventState) -> proto::provider_event::State {
    use proto::provider_event::State;
    match state {
        EventState::Pending => State::Pending,
        EventState::AwaitingMessage => State::AwaitingMessage,
        EventState::Applied => State::Applied,
        EventState::Unheeded => State::Unheeded,
        EventState::Unmatched => State::Unmatched,
        EventState::Quarantined => State::Quarantined,
    }
}
