//! Attempts that end without a verdict: a worker is killed or panics, or a row cannot be read or stored. The attempt is counted,
//! and other events are not delayed.

use chrono::TimeDelta;
use levqor_runtime::testing::{Log, advance};
use tracing::Level;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Idle, event, session};

const COMPLETED: &str = "checkout.session.completed";
/// A row that this version cannot read: an example of an event that kills its worker.
const POISON: &str = "UPDATE stripe_events SET object_id = E'\\u0001' WHERE event_id = 'evt_poison'";
const OF_OTHERS: &str = "stripe_events WHERE event_id <> 'evt_poison' AND state = 'PROCESSED'";

/// An event that cannot be processed, between two events of the same customer that can.
async fn with_poison() -> Idle {
    let idle = Idle::start(&[]).await;
    for id in ["evt_1", "evt_poison", "evt_2"] {
        idle.store(&event(id, COMPLETED, &session(&format!("cs_{id}"))), "cus_1").await;
    }
    idle.execute(POISON).await;
    idle
}

#[tokio::test]
async fn a_poisonous_event_lets_the_others_of_its_customer_pass() {
    let idle = with_poison().await;
    idle.work().await;
    assert_eq!((idle.count(OF_OTHERS).await, idle.event("evt_poison").await.1), (0, 0));
    for (others, attempts) in [(1, 1), (2, 2)] {
        idle.outlive_leases().await;
        idle.work().await;
        assert_eq!((idle.count(OF_OTHERS).await, idle.event("evt_poison").await.1), (others, attempts));
    }
    assert_eq!(idle.event("evt_2").await, ("PROCESSED".to_owned(), 1, String::new()), "counted once");
}

#[tokio::test]
async fn a_poisonous_event_is_quarantined_in_the_end_and_raised() {
    let (log, _guard) = Log::start(Level::ERROR);
    let idle = with_poison().await;
    idle.work().await;
    for _ in 0..30 {
        advance(&idle.db, TimeDelta::hours(8)).await;
        idle.work().await;
    }
    let failure = "given up after 25 tries: a try of it did not end".to_owned();
    assert_eq!(idle.event("evt_poison").await, ("QUARANTINED".to_owned(), 25, failure));
    assert_eq!(idle.count(OF_OTHERS).await, 2);
    assert_eq!(log.text().matches("the Stripe event was quarantined").count(), 1, "{}", log.text());
    assert_eq!(idle.count("runtime.leases").await, 0);
}

#[tokio::test]
async fn an_unreadable_event_of_an_unknown_type_is_ignored_and_counts_no_failure() {
    let idle = with_poison().await;
    idle.execute("UPDATE stripe_events SET type = 'customer.reinvented' WHERE event_id = 'evt_poison'").await;
    idle.work().await;
    idle.outlive_leases().await;
    idle.work().await;
    assert_eq!(idle.event("evt_poison").await, ("IGNORED".to_owned(), 1, String::new()));
    assert_eq!(idle.count(OF_OTHERS).await, 2);
}

#[tokio::test]
async fn a_key_in_a_new_spelling_is_worked_on_like_any_other() {
    let idle = Idle::start(&[]).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "a\nb").await;
    idle.store(&event("evt_2", COMPLETED, &session("cs_2")), "cs_2").await;
    idle.work().await;
    assert_eq!(idle.count(OF_OTHERS).await, 2);
}

#[tokio::test]
async fn one_outcome_that_cannot_be_stored_does_not_hold_back_the_others() {
    let idle = Idle::start(&[]).await;
    for id in ["cs_1", "cs_bad", "cs_2"] {
        idle.store(&event(&format!("evt_{id}"), COMPLETED, &session(id)), "cus_1").await;
    }
    idle.execute(
        "ALTER TABLE orders ADD CONSTRAINT orders_no_bad CHECK (stripe_checkout_session_id <> 'cs_bad')",
    )
    .await;
    idle.work().await;
    for (event_id, state) in [("evt_cs_1", "PROCESSED"), ("evt_cs_bad", "PENDING"), ("evt_cs_2", "PROCESSED")]
    {
        let event = idle.event(event_id).await;
        assert_eq!((event.0.as_str(), event.1), (state, 1), "{event_id}");
    }
    assert_eq!(idle.count("orders").await, 2);
    assert_eq!(idle.count("runtime.leases").await, 0, "the key is free");
}

#[tokio::test]
async fn events_that_were_not_processed_are_not_charged_for_a_failure() {
    let stripe = MockServer::start().await;
    let idle = Idle::start_with_stripe(&stripe.uri()).await;
    for n in 0..5 {
        let session = session(&format!("cs_{n}"));
        let answer = ResponseTemplate::new(200).set_body_json(&session);
        Mock::given(path(format!("/v1/checkout/sessions/cs_{n}"))).respond_with(answer).mount(&stripe).await;
        idle.store(&event(&format!("evt_{n}"), COMPLETED, &session), "cus_1").await;
    }
    idle.execute("ALTER TABLE orders ADD CONSTRAINT orders_none_today CHECK (false)").await;
    idle.work().await;
    // One batch fetches three sessions.
    for (n, attempts) in [1, 1, 1, 0, 0].into_iter().enumerate() {
        assert_eq!(idle.event(&format!("evt_{n}")).await.1, attempts, "{n}");
    }
}
