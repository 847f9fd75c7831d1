//! `ReplayStripeEvent`: an event is processed again, and its effects do not happen twice.

use std::time::Duration;

use levqor_proto_billing::v1::{ReplayStripeEventRequest, StripeEvent, order, stripe_event::State};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::{Code, Status};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Bench, event, reason, refetches, refused, session, violated, with};

const AUDITED: &str = "runtime.audit_entries WHERE action = 'stripe_event.replay'";
const PURGED: &str = "UPDATE stripe_events SET body = NULL";

impl Bench {
    async fn replay(&self, caller: &Caller, event_id: &str) -> Result<StripeEvent, Status> {
        let request = caller.request(ReplayStripeEventRequest { event_id: event_id.to_owned() });
        let answer = self.client().replay_stripe_event(request).await?.into_inner();
        Ok(answer.stripe_event.expect("an event"))
    }
}

#[tokio::test]
async fn quarantined_events_are_processed_after_the_fix() {
    let stripe = MockServer::start().await;
    let broken = with(session("cs_1"), &[("amount_total", json!(1))]);
    let answer = |session| {
        Mock::given(path("/v1/checkout/sessions/cs_1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(session))
    };
    let before = answer(broken.clone()).mount_as_scoped(&stripe).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    let quarantined = bench.process(&event("evt_1", "checkout.session.completed", &broken)).await;
    assert_eq!(quarantined.state(), State::Quarantined);
    let told = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE 'quarantined:%'";
    assert_eq!(bench.count(&format!("{told} AND idempotency_key = 'quarantined:evt_1:0'")).await, 1);
    let over =
        "runtime.work WHERE rpc LIKE '%/EndOperatorNotice' AND idempotency_key LIKE 'replayed:evt_1:%'";
    assert_eq!(bench.count(over).await, 0);

    // The fix: a person adds the plan at Stripe.
    drop(before);
    answer(session("cs_1")).mount(&stripe).await;
    let replayed = bench.replay(&Caller::staff(), "evt_1").await.expect("replayed");
    assert_eq!((replayed.state(), replayed.attempts, replayed.failure.as_str()), (State::Pending, 0, ""));
    let processed = bench.settled("evt_1").await;
    assert_eq!((processed.state(), processed.attempts), (State::Processed, 1));
    assert_eq!(bench.order().await.stripe_checkout_session_id, "cs_1");
    assert_eq!((bench.count(told).await, bench.count(over).await), (1, 1), "operators hear that it is over");
    assert_eq!(bench.count(AUDITED).await, 1);
}

#[tokio::test]
async fn a_replay_of_a_processed_event_changes_nothing_else() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    let before = bench.order().await;
    bench.replay(&Caller::staff(), "evt_1").await.expect("replayed");
    assert_eq!(bench.settled("evt_1").await.state(), State::Processed);
    assert!(bench.order().await == before);
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn a_replay_while_the_event_is_worked_on_is_not_lost() {
    let stripe = MockServer::start().await;
    let unpaid = with(session("cs_1"), &[("payment_status", json!("unpaid"))]);
    let before = ResponseTemplate::new(200).set_body_json(unpaid).set_delay(Duration::from_millis(500));
    let asked = || Mock::given(path("/v1/checkout/sessions/cs_1"));
    asked().respond_with(before).up_to_n_times(1).mount(&stripe).await;
    asked().respond_with(ResponseTemplate::new(200).set_body_json(session("cs_1"))).mount(&stripe).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    bench.receive(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    eventually("Stripe is asked", || async { (refetches(&stripe).await == 1).then_some(()) }).await;
    // The delayed response of Stripe shows the session from before the replay.
    bench.replay(&Caller::staff(), "evt_1").await.expect("replayed");
    let settled = bench.settled("evt_1").await;
    assert_eq!((settled.state(), settled.attempts), (State::Processed, 1));
    assert_eq!(bench.order().await.payment_state(), order::PaymentState::Paid);
}

#[tokio::test]
async fn the_same_key_replays_once() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "a.b", &json!({}))).await;
    let staff = Caller::staff().with_key("once");
    let first = bench.replay(&staff, "evt_1").await.expect("replayed");
    bench.settled("evt_1").await;
    let again = bench.replay(&staff, "evt_1").await.expect("remembered");
    assert!(first == again);
    assert_eq!(bench.count(AUDITED).await, 1);
    let status = refused(bench.replay(&staff, "evt_2").await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn without_body_and_without_key_there_is_nothing_to_replay() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    bench.execute(PURGED).await;
    let status = refused(bench.replay(&Caller::staff(), "evt_1").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "BODY_PURGED"));
    assert_eq!(bench.event("evt_1").await.state(), State::Processed);
    assert_eq!(bench.count(AUDITED).await, 0);
}

#[tokio::test]
async fn without_body_the_object_is_fetched_again() {
    let stripe = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(session("cs_1"));
    Mock::given(path("/v1/checkout/sessions/cs_1")).respond_with(answer).mount(&stripe).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    bench.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    bench.process(&event("evt_2", "a.b", &json!({"id": "o_1"}))).await;
    bench.execute(PURGED).await;
    bench.replay(&Caller::staff(), "evt_1").await.expect("replayed");
    assert_eq!(bench.settled("evt_1").await.state(), State::Processed);
    let status = refused(bench.replay(&Caller::staff(), "evt_2").await);
    assert_eq!(reason(&status), "BODY_PURGED");
}

#[tokio::test]
async fn a_missing_event_is_not_found_and_a_malformed_id_is_named() {
    let bench = Bench::start().await;
    let status = refused(bench.replay(&Caller::staff(), "evt_1").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "STRIPE_EVENT_NOT_FOUND"));
    let status = refused(bench.replay(&Caller::staff(), "").await);
    assert_eq!(violated(&status), ["event_id"]);
}
