//! Events that are not ours. The envelope decides it before the object is read, with a key and without.

use levqor_proto_billing::v1::{
    StripeEvent,
    stripe_event::{IgnoreReason, State},
};
use levqor_runtime::{metrics, testing::Caller};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Bench, Idle, event, refetches, session, with};

const COMPLETED: &str = "checkout.session.completed";

fn paid(event_id: &str, changes: &[(&str, Value)]) -> Value {
    with(event(event_id, COMPLETED, &session("cs_1")), changes)
}

/// A Stripe that has the session, so that only the envelope can stop the event.
async fn stripe() -> MockServer {
    let stripe = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(session("cs_1"));
    Mock::given(path("/v1/checkout/sessions/cs_1")).respond_with(answer).mount(&stripe).await;
    stripe
}

impl Bench {
    /// Whether one event was counted as not ours for this reason.
    fn counted(&self, reason: &str, mode: &str) -> bool {
        let shown =
            metrics::render(&[self.service.running.chassis().metrics.clone()], metrics::Format::Plain);
        let (label, mode) = (format!("reason=\"{reason}\""), format!("livemode=\"{mode}\""));
        shown.lines().any(|line| {
            line.starts_with("levqor_stripe_events_not_ours_total")
                && line.contains(&label)
                && line.contains(&mode)
                && line.ends_with(" 1")
        })
    }

    async fn assert_ignored(&self, event: &StripeEvent, reason: IgnoreReason) {
        assert_eq!((event.state(), event.ignore_reason()), (State::Ignored, reason), "{}", event.failure);
        assert!(self.orders(&Caller::staff()).await.is_empty() && self.messages().await.is_empty());
    }
}

#[tokio::test]
async fn an_event_of_another_account_is_ignored_with_a_key_and_without() {
    let stripe = stripe().await;
    for key in [false, true] {
        let bench = if key { Bench::start_with_stripe(&stripe.uri()).await } else { Bench::start().await };
        let connect = paid("evt_1", &[("account", json!("acct_1"))]);
        let ignored = bench.process(&connect).await;
        bench.assert_ignored(&ignored, IgnoreReason::OtherAccount).await;
        assert_eq!(ignored.account, "acct_1");
        assert!(bench.counted("OTHER_ACCOUNT", "test"));
        let thin = json!({
            "id": "evt_2", "object": "v2.core.event", "type": "v1.checkout.session.completed", "livemode": false,
            "created": "2026-09-22T10:13:20Z", "context": "acct_1",
            "related_object": {"id": "cs_1", "type": "checkout.session"},
        });
        bench.assert_ignored(&bench.process(&thin).await, IgnoreReason::OtherAccount).await;
        // Our own events say null or an empty text.
        let own = paid("evt_3", &[("context", Value::Null), ("account", json!(""))]);
        assert_eq!(bench.process(&own).await.state(), State::Processed);
        assert_eq!(bench.order().await.stripe_checkout_session_id, "cs_1");
    }
}

#[tokio::test]
async fn an_event_of_the_other_mode_than_the_keys_is_ignored_counted_and_not_fetched() {
    let stripe = stripe().await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    let ignored = bench.process(&paid("evt_1", &[("livemode", json!(true))])).await;
    bench.assert_ignored(&ignored, IgnoreReason::OtherMode).await;
    assert!(ignored.livemode && bench.counted("OTHER_MODE", "live"));
    assert_eq!(refetches(&stripe).await, 0);
}

#[tokio::test]
async fn without_a_key_the_setting_says_which_mode_is_acted_on_and_live_is_the_default() {
    for (setting, live, test) in
        [("", true, false), ("true", true, false), ("false", false, true), ("both", true, true)]
    {
        for (event_livemode, acted_on) in [(true, live), (false, test)] {
            let bench = Bench::start_with(&[("LEVQOR_STRIPE_LIVEMODE", setting)]).await;
            let event = bench.process(&paid("evt_1", &[("livemode", json!(event_livemode))])).await;
            if acted_on {
                assert_eq!(event.state(), State::Processed, "{setting} {event_livemode}");
                assert_eq!(bench.messages().await.len(), 2);
            } else {
                bench.assert_ignored(&event, IgnoreReason::OtherMode).await;
            }
        }
    }
}

#[tokio::test]
async fn an_envelope_cannot_overrule_the_mode_of_its_object() {
    let bench = Bench::start().await;
    let live = with(session("cs_1"), &[("livemode", json!(true))]);
    let ignored = bench.process(&event("evt_1", COMPLETED, &live)).await;
    bench.assert_ignored(&ignored, IgnoreReason::OtherMode).await;
}

/// The number of ignored events, and the number of orders.
async fn ignored_and_orders(idle: &Idle) -> (i64, i64) {
    let ignored = idle.count("stripe_events WHERE state = 'IGNORED'").await;
    (ignored, idle.count("orders").await)
}

#[tokio::test]
async fn events_that_were_ignored_while_the_mode_was_wrong_are_processed_once_it_is_mended() {
    let live = Idle::start(&[("LEVQOR_STRIPE_LIVEMODE", "true")]).await;
    live.store(&paid("evt_1", &[]), "cs_1").await;
    live.work().await;
    assert_eq!(ignored_and_orders(&live).await, (1, 0));
    for mended in ["false", "both"] {
        // At the start.
        let test = live.restart(&[("LEVQOR_STRIPE_LIVEMODE", mended)]).await;
        test.work().await;
        assert_eq!(ignored_and_orders(&test).await, (0, 1), "{mended}");
        assert_eq!(test.event("evt_1").await, ("PROCESSED".to_owned(), 1, String::new()));
        // Within a minute, if an older process with the wrong mode is still running.
        test.store(&paid("evt_2", &[]), "cs_1").await;
        live.work().await;
        test.work().await;
        assert_eq!(ignored_and_orders(&test).await.0, 1, "not with every claim");
        test.clock.advance(chrono::TimeDelta::seconds(60));
        test.work().await;
        assert_eq!(ignored_and_orders(&test).await.0, 0, "{mended}");
        test.execute("DELETE FROM stripe_events WHERE event_id = 'evt_2'; TRUNCATE orders CASCADE").await;
        let ignored = "UPDATE stripe_events SET state = 'IGNORED', ignore_reason = 'OTHER_MODE'";
        test.execute(ignored).await;
    }
}

#[tokio::test]
async fn an_event_whose_object_is_of_the_other_mode_is_not_retried_every_minute() {
    let idle = Idle::start(&[]).await;
    let live = with(session("cs_1"), &[("livemode", json!(true))]);
    idle.store(&event("evt_1", COMPLETED, &live), "cs_1").await;
    for _ in 0..3 {
        idle.work().await;
        assert_eq!(idle.event("evt_1").await, ("IGNORED".to_owned(), 1, String::new()));
        idle.clock.advance(chrono::TimeDelta::seconds(60));
    }
}

#[tokio::test]
async fn an_event_whose_mode_cannot_be_read_is_quarantined_and_neither_acted_on_nor_ignored() {
    let stripe = stripe().await;
    for bench in [Bench::start().await, Bench::start_with_stripe(&stripe.uri()).await] {
        for (n, livemode) in [Value::Null, json!("true"), json!(0), json!({})].into_iter().enumerate() {
            let unreadable =
                paid(&format!("evt_{n}"), &[("account", json!("")), ("livemode", livemode.clone())]);
            let event = bench.process(&unreadable).await;
            let stands = (event.state(), event.ignore_reason());
            assert_eq!(stands, (State::Quarantined, IgnoreReason::Unspecified), "{livemode}");
            assert!(event.failure.contains("livemode"), "{livemode} {}", event.failure);
        }
        assert!(bench.messages().await.is_empty());
    }
    assert_eq!(refetches(&stripe).await, 0);
}

#[tokio::test]
async fn an_event_that_is_not_ours_is_not_retried_and_a_replay_decides_anew() {
    let idle = Idle::start(&[]).await;
    idle.store(&paid("evt_1", &[]), "cs_1").await;
    idle.execute("UPDATE stripe_events SET livemode = true").await;
    for _ in 0..2 {
        idle.work().await;
        assert_eq!(idle.event("evt_1").await, ("IGNORED".to_owned(), 1, String::new()));
        idle.clock.advance(chrono::TimeDelta::seconds(60));
    }
    assert_eq!(idle.count("stripe_events WHERE ignore_reason = 'OTHER_MODE'").await, 1);
    idle.execute(
        "UPDATE stripe_events SET state = 'PENDING', ignore_reason = NULL, process_time = NULL, livemode = false",
    )
    .await;
    idle.work().await;
    assert_eq!(idle.event("evt_1").await.0, "PROCESSED");
}
