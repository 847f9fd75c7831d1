//! Leases: one worker per key, and a worker that lost its lease changes nothing.

use std::collections::HashSet;

use futures_util::future::join_all;
use levqor_runtime::work::Source;
use serde_json::json;

use crate::support::{Bench, Idle, event, session};

const COMPLETED: &str = "checkout.session.completed";
const PENDING: &str = "stripe_events WHERE state = 'PENDING'";
const ORDERS: &str = "orders";

async fn with_one_event() -> Idle {
    let idle = Idle::start(&[]).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle
}

#[tokio::test]
async fn five_claimers_at_once_get_each_key_once_and_never_deadlock() {
    let idle = Idle::start(&[]).await;
    // Two events per key; the keys are not in order.
    let backlog = "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body)
                   SELECT 'evt_' || n, now(), 'checkout.session.completed', false, 'key_' || (n * 7919) % 300, '{}'
                   FROM generate_series(1, 600) AS n";
    idle.execute(backlog).await;
    let claims = join_all((0..5).map(|_| async {
        let mut fences = Vec::new();
        loop {
            let leases = idle.journal.claim(20).await.expect("no deadlock");
            if leases.is_empty() {
                return fences;
            }
            fences.push(leases.len());
        }
    }))
    .await;
    assert_eq!(claims.iter().flatten().sum::<usize>(), 300, "each key once");
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT key FROM runtime.leases").fetch_all(idle.db.pool()).await.expect("leases");
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 300);
    assert!(keys.iter().all(|key| key.starts_with("stripe:key_")));
}

#[tokio::test]
async fn a_key_is_worked_on_by_one_worker_at_a_time() {
    let idle = with_one_event().await;
    let lease = idle.journal.claim(10).await.expect("claimed").remove(0);
    idle.store(&event("evt_2", COMPLETED, &session("cs_1")), "cs_1").await;
    assert!(idle.journal.claim(10).await.expect("claimed").is_empty());
    idle.journal.process(lease).await;
    // The same run also processed the event that arrived meanwhile.
    assert_eq!((idle.count(PENDING).await, idle.count("runtime.leases").await), (0, 0));
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_changes_nothing() {
    let idle = with_one_event().await;
    let slow = idle.journal.claim(10).await.expect("claimed").remove(0);
    idle.outlive_leases().await;
    let quick = idle.journal.claim(10).await.expect("claimed").remove(0);
    idle.journal.process(slow.clone()).await;
    assert_eq!((idle.count(PENDING).await, idle.count(ORDERS).await), (1, 0));
    assert_eq!(idle.count("runtime.leases").await, 1, "not even the other's lease");
    assert_eq!(idle.count("stripe_events WHERE attempts > 0").await, 0);

    idle.journal.process(quick).await;
    idle.journal.process(slow).await;
    assert_eq!((idle.count(PENDING).await, idle.count(ORDERS).await), (0, 1));
    assert_eq!(idle.count("runtime.work").await, 5, "two mails, a notice, and the next steps of two flows");
}

#[tokio::test]
async fn a_killed_workers_calls_are_claimed_again_within_a_minute() {
    let bench = Bench::start().await;
    // A worker of another process claimed this key and was killed.
    let killed = "INSERT INTO runtime.leases (key, leased_until, fence)
                  VALUES ('stripe:cs_1', runtime.now() + interval '45 seconds', 7)";
    bench.execute(killed).await;
    bench.receive(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    // Another key is not blocked.
    bench.process(&event("evt_2", COMPLETED, &session("cs_2"))).await;
    assert_eq!(bench.count(PENDING).await, 1);
    bench.service.advance(chrono::TimeDelta::seconds(60)).await;
    bench.settled("evt_1").await;
    assert_eq!(bench.count(ORDERS).await, 2);
}

#[tokio::test]
async fn rows_of_a_claim_that_was_cut_off_are_claimed_again_at_once() {
    let idle = with_one_event().await;
    idle.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON runtime.leases
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    .await;
    let mut barrier = idle.db.acquire().await.expect("a connection");
    sqlx::raw_sql("SELECT pg_advisory_lock(1)").execute(&mut *barrier).await.expect("raised");
    let waiting = "pg_locks JOIN pg_database AS d ON d.oid = database
                   WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
    tokio::select! {
        _ = idle.journal.claim(10) => panic!("it waits in its commit"),
        () = idle.until(waiting, 1) => {}
    }
    sqlx::raw_sql("SELECT pg_advisory_unlock(1)").execute(&mut *barrier).await.expect("lowered");
    idle.until("runtime.leases", 1).await;
    idle.work().await;
    assert_eq!(
        (idle.count(ORDERS).await, idle.event("evt_1").await),
        (1, ("PROCESSED".to_owned(), 1, String::new()))
    );
}

#[tokio::test]
async fn a_lease_with_nothing_left_to_do_is_given_back() {
    let idle = with_one_event().await;
    let lease = idle.journal.claim(10).await.expect("claimed").remove(0);
    idle.execute("UPDATE stripe_events SET state = 'PROCESSED', process_time = now()").await;
    idle.journal.process(lease).await;
    assert_eq!(idle.count("runtime.leases").await, 0);
}

#[tokio::test]
async fn a_batch_that_the_database_refuses_is_postponed_whole() {
    let idle = with_one_event().await;
    idle.execute("ALTER TABLE orders ADD CONSTRAINT orders_none_today CHECK (false)").await;
    idle.work().await;
    let (state, attempts, failure) = idle.event("evt_1").await;
    assert_eq!(
        (state.as_str(), attempts, failure.as_str()),
        ("PENDING", 1, "the database refused the outcome (INTERNAL)")
    );
    assert_eq!((idle.count(ORDERS).await, idle.count("runtime.work").await), (0, 0));

    idle.execute("ALTER TABLE orders DROP CONSTRAINT orders_none_today").await;
    levqor_runtime::testing::advance(&idle.db, chrono::TimeDelta::seconds(2)).await;
    idle.work().await;
    assert_eq!(idle.event("evt_1").await.0, "PROCESSED");
}

#[tokio::test]
async fn a_busy_key_does_not_hide_the_others() {
    let idle = Idle::start(&[]).await;
    let backlog = "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body)
                   SELECT 'evt_' || n, now(), 'checkout.session.completed', false, 'busy', '{}'
                   FROM generate_series(1, 1500) AS n";
    idle.execute(backlog).await;
    idle.store(&event("evt_quiet", COMPLETED, &json!({"id": "quiet"})), "quiet").await;
    assert_eq!(idle.journal.claim(10).await.expect("claimed").len(), 1);
    assert_eq!(idle.journal.claim(10).await.expect("claimed").len(), 1);
    assert_eq!(idle.count("runtime.leases WHERE key = 'stripe:quiet'").await, 1);
}
