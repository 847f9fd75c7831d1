//! Lists journaled Stripe events, newest first, without their bodies, for staff.

use std::sync::Arc;

use levqor_proto_billing::v1::{ListStripeEventsRequest, ListStripeEventsResponse, stripe_event};
use levqor_runtime::{
    context::Ctx,
    db::Page,
    error::{Invalid, Violations},
};

use crate::{Billing, domain::stripe_event::State, error::Error, store::stripe_events};

pub(super) async fn list_stripe_events(
    billing: Arc<Billing>,
    _: Ctx,
    request: ListStripeEventsRequest,
) -> Result<ListStripeEventsResponse, Error> {
    let Query { state, event_type, page } = request.try_into()?;
    let mut tx = billing.chassis.db.begin_list().await?;
    let mut events = stripe_events::list(&mut tx, state, event_type.as_deref(), page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut events, |event| event.place);
    Ok(ListStripeEventsResponse {
        stripe_events: events.into_iter().filter_map(|event| event.row).map(Into::into).collect(),
        next_page_token,
    })
}

struct Query {
    state: Option<State>,
    event_type: Option<String>,
    page: Page,
}

impl TryFrom<ListStripeEventsRequest> for Query {
    type Error = Invalid;

    fn try_from(request: ListStripeEventsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = match stripe_event::State::try_from(request.state) {
            Ok(stripe_event::State::Unspecified) => None,
            Ok(stripe_event::State::Pending) => Some(State::Pending),
            Ok(stripe_event::State::Processed) => Some(State::Processed),
            Ok(stripe_event::State::Unheeded) => Some(State::Unheeded),
            Ok(stripe_event::State::Quarantined) => Some(State::Quarantined),
            Err(_) => {
                let expected = "expected STATE_PENDING, STATE_PROCESSED, STATE_UNHEEDED or STATE_QUARANTINED";
                violations.add("state", expected);
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
