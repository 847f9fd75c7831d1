//! Lists journaled Stripe events, newest first, without their bodies, for staff.

use levqor_proto_billing::v1::{ListStripeEventsRequest, ListStripeEventsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Billing,
    error::Error,
    store::stripe_events::{self, Filter},
};

pub(super) async fn list_stripe_events(
    billing: &Billing,
    ctx: Ctx,
    request: ListStripeEventsRequest,
) -> Result<ListStripeEventsResponse, Error> {
    list(billing, &ctx, &request, stripe_events::list, |events, next_page_token| ListStripeEventsResponse {
        stripe_events: events.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListStripeEventsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListStripeEventsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            state: violations.filter_enum("state", request.state),
            event_type: violations.filter("type", &request.r#type),
        };
        violations.finish(Some(filter))
    }
}
