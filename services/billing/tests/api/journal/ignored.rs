//! Events of types that this version does not handle: they are ignored, and a version that handles them processes them.

use levqor_proto_billing::v1::stripe_event::State;
use levqor_runtime::work::Source;
use serde_json::json;

use crate::support::{Bench, Idle, event, session};

const COMPLETED: &str = "checkout.session.completed";
/// What an older version without support for checkout sessions does.
const IGNORE_ALL: &str =
    "UPDATE stripe_events SET state = 'IGNORED', process_time = now() WHERE state = 'PENDING'";
const IGNORED: &str = "stripe_events WHERE state = 'IGNORED'";
const ORDERS: &str = "orders";

#[tokio::test]
async fn an_event_of_a_type_that_nothing_follows_from_is_ignored_and_says_so() {
    let bench = Bench::start().await;
    for (n, event_type) in ["customer.updated", "checkout.session.reinvented"].into_iter().enumerate() {
        let event = bench.process(&event(&format!("evt_{n}"), event_type, &session("cs_1"))).await;
        assert_eq!((event.state(), event.attempts), (State::Ignored, 0), "{event_type}");
        assert!(event.process_time.is_some());
    }
    assert!(bench.messages().await.is_empty());
}

#[tokio::test]
async fn what_a_newer_version_left_pending_is_ignored_and_holds_nobody_up() {
    let idle = Idle::start(&[]).await;
    idle.execute(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body)
         SELECT 'evt_' || n, now(), 'customer.reinvented', false, 'cus_' || n, '{}'
         FROM generate_series(1, 2000) AS n",
    )
    .await;
    idle.store(&event("evt_paid", COMPLETED, &session("cs_1")), "cs_1").await;
    // The first claim ignores ten events under leases. After it saw them, each claim ignores five hundred more.
    for ignored in [10, 520, 1030, 1540, 2000] {
        idle.work().await;
        assert_eq!(idle.count(IGNORED).await, ignored);
    }
    assert_eq!(idle.event("evt_1").await, ("IGNORED".to_owned(), 1, String::new()));
    assert_eq!(idle.count(ORDERS).await, 1);
    assert_eq!(idle.count("runtime.leases").await, 0);
}

#[tokio::test]
async fn what_an_older_version_ignored_is_taken_up_at_the_start() {
    let idle = Idle::start(&[]).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle.store(&event("evt_2", "customer.updated", &json!({"id": "cus_1"})), "cus_1").await;
    idle.execute(IGNORE_ALL).await;
    idle.work().await;
    assert_eq!(idle.event("evt_1").await, ("PROCESSED".to_owned(), 1, String::new()));
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (1, 1));
}

#[tokio::test]
async fn what_an_older_replica_lays_aside_during_an_upgrade_is_taken_up_within_a_minute() {
    let idle = Idle::start(&[]).await;
    idle.work().await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle.execute(IGNORE_ALL).await;
    idle.work().await;
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (1, 0), "not with every claim");
    idle.clock.advance(chrono::TimeDelta::seconds(60));
    idle.work().await;
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (0, 1));
}

#[tokio::test]
async fn a_long_list_is_taken_up_whole() {
    let idle = Idle::start(&[]).await;
    idle.execute(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body, state, process_time)
         SELECT 'evt_' || n, now(), 'checkout.session.completed', false, 'cs_1', '{}', 'IGNORED', now()
         FROM generate_series(1, 1100) AS n",
    )
    .await;
    for left in [600, 100, 0] {
        idle.journal.claim(1).await.expect("claimed");
        assert_eq!(idle.count(IGNORED).await, left);
    }
}

#[tokio::test]
async fn what_cannot_be_seen_any_more_stays_ignored() {
    for (key, expected) in [(false, "IGNORED"), (true, "PENDING")] {
        // With a key the object could be fetched, if Stripe were reachable.
        let idle =
            if key { Idle::start_with_stripe("http://127.0.0.1:1").await } else { Idle::start(&[]).await };
        idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
        idle.execute(IGNORE_ALL).await;
        idle.execute("UPDATE stripe_events SET body = NULL").await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await.0, expected);
    }
}
