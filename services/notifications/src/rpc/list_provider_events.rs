//! `ListProviderEvents`: shows staff the events of mail providers and their states, newest first, without the bodies.

use levqor_proto_notifications::v1::{ListProviderEventsRequest, ListProviderEventsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Notifications,
    error::Error,
    store::provider_events::{self, Filter},
};

pub(super) async fn list_provider_events(
    notifications: &Notifications,
    ctx: Ctx,
    request: ListProviderEventsRequest,
) -> Result<ListProviderEventsResponse, Error> {
    list(notifications, &ctx, &request, provider_events::list, |events, next_page_token| {
        let provider_events = events.into_iter().map(Into::into).collect();
        ListProviderEventsResponse { provider_events, next_page_token }
    })
    .await
}

impl TryFrom<&ListProviderEventsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListProviderEventsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            state: violations.filter_enum("state", request.state),
            event_type: violations.filter("type", &request.r#type),
        };
        violations.finish(Some(filter))
    }
}
