//! Gets one journaled Stripe event with its original bytes, for staff.

use levqor_proto_billing::v1::{
    self as wire, GetStripeEventRequest, GetStripeEventResponse, stripe_event::IgnoreReason,
};
use levqor_runtime::{context::Ctx, request::id, timestamp};

use crate::{
    Billing,
    domain::stripe_event::{NotOurs, State, StripeEvent},
    error::Error,
    store::stripe_events::{self, bodies},
};

pub(super) async fn get_stripe_event(
    billing: &Billing,
    _: Ctx,
    request: GetStripeEventRequest,
) -> Result<GetStripeEventResponse, Error> {
    let event_id = id("event_id", &request.event_id)?;
    let mut conn = billing.chassis.db.acquire().await?;
    let event = stripe_events::get(&mut conn, &event_id).await?.ok_or(Error::StripeEventNotFound)?;
    let body = bodies::get(&mut conn, &event).await?.unwrap_or_default();
    // The body was parsed as JSON before it was stored, so it is UTF-8.
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(GetStripeEventResponse { stripe_event: Some(event.into()), body })
}

impl From<StripeEvent> for wire::StripeEvent {
    fn from(event: StripeEvent) -> Self {
        let ignore_reason = ignore_reason(&event);
        let envelope = event.envelope;
        Self {
            event_id: envelope.event_id.to_string(),
            r#type: envelope.event_type,
            state: event.state.into(),
            api_version: envelope.api_version.unwrap_or_default(),
            object_id: envelope.object_id.map(|id| id.to_string()).unwrap_or_default(),
            stripe_customer_id: envelope.stripe_customer_id.map(|id| id.to_string()).unwrap_or_default(),
            create_time: Some(timestamp(envelope.create_time)),
            receive_time: Some(timestamp(event.receive_time)),
            process_time: event.process_time.map(timestamp),
            attempts: event.attempts,
            failure: event.failure.unwrap_or_default(),
            livemode: envelope.livemode.unwrap_or_default(),
            account: envelope.account.map(|account| account.to_string()).unwrap_or_default(),
            ignore_reason: ignore_reason.into(),
        }
    }
}

fn ignore_reason(event: &StripeEvent) -> IgnoreReason {
    match (event.state, event.not_ours) {
        (State::Ignored, None) => IgnoreReason::Type,
        (State::Ignored, Some(NotOurs::OtherMode | NotOurs::ObjectOfOtherMode)) => IgnoreReason::OtherMode,
        (State::Ignored, Some(NotOurs::OtherAccount)) => IgnoreReason::OtherAccount,
        (State::Ignored, Some(NotOurs::OtherSale)) => IgnoreReason::OtherSale,
        (State::Ignored, Some(NotOurs::SubjectErased)) => IgnoreReason::SubjectErased,
        (State::Pending | State::Processed | State::Quarantined, _) => IgnoreReason::Unspecified,
    }
}
