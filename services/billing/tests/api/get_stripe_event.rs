//! `GetStripeEvent`: an event and its original bytes, for staff.

use levqor_proto_billing::v1::{GetStripeEventRequest, GetStripeEventResponse, stripe_event::State};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, event, reason, refused, session, violated, with};

impl Bench {
    async fn get_stripe_event(
        &self,
        caller: &Caller,
        event_id: &str,
    ) -> Result<GetStripeEventResponse, Status> {
        let request = caller.request(GetStripeEventRequest { event_id: event_id.to_owned() });
        Ok(self.client().get_stripe_event(request).await?.into_inner())
    }
}

#[tokio::test]
async fn a_quarantined_event_shows_its_failure_and_its_body() {
    let bench = Bench::start().await;
    let odd = with(session("cs_1"), &[("amount_total", json!("9900")), ("customer", json!("cus_1"))]);
    let sent = event("evt_1", "checkout.session.completed", &odd);
    bench.process(&sent).await;
    let answer = bench.get_stripe_event(&Caller::staff(), "evt_1").await.expect("an event");
    assert_eq!(answer.body, sent.to_string());
    let event = answer.stripe_event.expect("an event");
    assert_eq!((event.state(), event.attempts), (State::Quarantined, 1));
    assert_eq!(event.failure, "the checkout session's amount_total or currency is missing or malformed");
    assert_eq!((event.object_id.as_str(), event.stripe_customer_id.as_str()), ("cs_1", "cus_1"));
    assert!(event.receive_time.is_some() && event.process_time.is_none());
}

#[tokio::test]
async fn a_missing_event_is_not_found() {
    let bench = Bench::start().await;
    let status = refused(bench.get_stripe_event(&Caller::staff(), "evt_1").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "STRIPE_EVENT_NOT_FOUND"));
}

#[tokio::test]
async fn an_invalid_id_is_reported_as_a_violation() {
    let bench = Bench::start().await;
    for event_id in ["", "evt\u{0}", &"e".repeat(256)] {
        let status = refused(bench.get_stripe_event(&Caller::staff(), event_id).await);
        assert_eq!(violated(&status), ["event_id"]);
    }
}
