//! `ListProviderEvents`: shows staff what mail providers sent and what became of it, newest first, without the bodies.

use std::sync::Arc;

use levqor_proto_notifications::v1::{
    self as proto, ListProviderEventsRequest, ListProviderEventsResponse, provider_event::State,
};
use levqor_runtime::{
    context::Ctx,
    db::Page,
    error::{Invalid, Violations},
};

use crate::{Notifications, domain::provider_event::EventState, error::Error, store::provider_events};

pub(super) async fn list_provider_events(
    state: Arc<Notifications>,
    _ctx: Ctx,
    request: ListProviderEventsRequest,
) -> Result<ListProviderEventsResponse, Error> {
    let Query { state: event_state, event_type, page } = Query::try_from(request)?;
    let mut tx = state.chassis.db.begin_list().await?;
    let mut events = provider_events::list(&mut tx, event_state, event_type.as_deref(), &page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut events, |event| event.place);
    Ok(ListProviderEventsResponse {
        provider_events: events
            .into_iter()
            .filter_map(|event| event.row)
            .map(proto::ProviderEvent::from)
            .collect(),
        next_page_token,
    })
}

/// A valid request.
struct Query {
    state: Option<EventState>,
    event_type: Option<String>,
    page: Page,
}

impl TryFrom<ListProviderEventsRequest> for Query {
    type Error = Invalid;

    fn try_from(request: ListProviderEventsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = match State::try_from(request.state) {
            Ok(State::Unspecified) => None,
            Ok(State::Pending) => Some(EventState::Pending),
            Ok(State::AwaitingMessage) => Some(EventState::AwaitingMessage),
            Ok(State::Applied) => Some(EventState::Applied),
            Ok(State::Unheeded) => Some(EventState::Unheeded),
            Ok(State::Unmatched) => Some(EventState::Unmatched),
            Ok(State::Quarantined) => Some(EventState::Quarantined),
            Err(_) => {
                violations.add("state", "expected a state of provider events");
                None
            }
        };
        if request.r#type.contains(char::is_control) {
            violations.add("type", "expected the name of a type");
        }
        let page = Page::parse(&mut violations, &request);
        let event_type = Some(request.r#type).filter(|event_type| !event_type.is_empty());
        violations.finish(page.map(|page| Self { state, event_type, page }))
    }
}
