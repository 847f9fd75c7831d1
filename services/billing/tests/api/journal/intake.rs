//! Concurrent inserts of replicas: one that inserts the same event waits for the other, and two never wait for each other.

use levqor_proto_billing::v1::{IngestStripeEventRequest, IngestStripeEventResponse, stripe_event::State};
use levqor_runtime::{
    clock::Clock,
    db::Tx,
    testing::{Caller, eventually, spawn},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{Bench, SECRET, event, sign};

impl Bench {
    /// Ingests an event in a separate task.
    fn receive_beside(&self, event_id: &str) -> JoinHandle<IngestStripeEventResponse> {
        self.receive_type_beside(event_id, "a.b")
    }

    fn receive_type_beside(&self, event_id: &str, event_type: &str) -> JoinHandle<IngestStripeEventResponse> {
        let (mut client, body) =
            (self.client(), event(event_id, event_type, &json!({"id": event_id})).to_string());
        let signature = sign(SECRET, Clock::default().now().timestamp(), body.as_bytes());
        let request = IngestStripeEventRequest { body: body.into(), signature };
        let request = Caller::service("gateway", "billing").request(request);
        spawn(async move { client.ingest_stripe_event(request).await.expect("acknowledged").into_inner() })
    }

    /// An open transaction of another replica that has stored these events.
    async fn rival(&self, event_ids: &[&str]) -> Tx {
        let mut rival = self.service.db.begin().await.expect("a transaction");
        // The rival detects a deadlock first, so its own statement fails.
        sqlx::query("SET LOCAL deadlock_timeout = '10ms'").execute(&mut *rival).await.expect("set");
        for event_id in event_ids {
            store(&mut rival, event_id).await;
        }
        rival
    }

    /// Blocks both writers until the rival is dropped, so that later events share a batch.
    async fn hold_up(&self) -> (Tx, Vec<JoinHandle<IngestStripeEventResponse>>) {
        let rival = self.rival(&["evt_a", "evt_b"]).await;
        let mut held_up = Vec::new();
        for event_id in ["evt_a", "evt_b"] {
            held_up.push(self.receive_beside(event_id));
            self.waiting(held_up.len()).await;
        }
        (rival, held_up)
    }

    /// Waits until `count` inserts of the service wait for a lock. Returns the process ids of their servers.
    async fn waiting(&self, count: usize) -> Vec<i32> {
        eventually("inserts wait", || async {
            let waiting: Vec<i32> = sqlx::query_scalar(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND application_name = 'levqor-billing' AND query LIKE 'INSERT INTO stripe_events%'",
            )
            .fetch_all(self.service.db.pool())
            .await
            .expect("servers");
            Some(waiting).filter(|waiting| waiting.len() == count)
        })
        .await
    }
}

async fn store(rival: &mut Tx, event_id: &str) {
    sqlx::query(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body)
         VALUES ($1, to_timestamp(1790000000), 'a.b', false, $1, '{}')",
    )
    .bind(event_id)
    .execute(&mut **rival)
    .await
    .expect("no deadlock");
}

#[tokio::test]
async fn replicas_that_store_the_same_events_never_wait_for_each_other() {
    let bench = Bench::start().await;
    let (blocker, mut answers) = bench.hold_up().await;
    let mut rival = bench.rival(&["evt_10"]).await;
    let ids: Vec<_> = (10..40).map(|n| format!("evt_{n}")).collect();
    // The events arrive in descending order. The query after them uses the same connection, so its answer proves that they
    // arrived.
    answers.extend(ids.iter().rev().map(|id| bench.receive_beside(id)));
    bench.orders(&Caller::staff()).await;
    drop(blocker);
    bench.waiting(1).await;
    for id in &ids[1..] {
        store(&mut rival, id).await;
    }
    rival.commit().await.expect("committed");
    for answer in answers {
        answer.await.expect("acknowledged");
    }
    assert_eq!(bench.count("stripe_events").await, 32);
}

#[tokio::test]
async fn a_batch_that_another_transaction_blocked_is_stored() {
    let bench = Bench::start().await;
    let rival = bench.rival(&["evt_1"]).await;
    let answer = bench.receive_beside("evt_1");
    let server = bench.waiting(1).await[0];
    // To the service this looks like a deadlock or a lock timeout.
    let cancel = sqlx::query("SELECT pg_cancel_backend($1)").bind(server);
    cancel.execute(bench.service.db.pool()).await.expect("cancelled");
    drop(rival);
    answer.await.expect("acknowledged");
    assert_eq!(bench.count("stripe_events").await, 1);
}

#[tokio::test]
async fn of_events_that_share_a_statement_each_is_answered_for_itself() {
    let bench = Bench::start().await;
    bench.receive_beside("evt_before").await.expect("acknowledged");
    let (blocker, held_up) = bench.hold_up().await;
    let handled = bench.receive_type_beside("evt_handled", "checkout.session.expired");
    let others = ["evt_before", "evt_new", "evt_new", "evt_new"].map(|id| bench.receive_beside(id));
    // The query uses the same connection, so its answer proves that the events arrived.
    bench.orders(&Caller::staff()).await;
    drop(blocker);
    for answer in held_up {
        assert!(!answer.await.expect("acknowledged").duplicate, "the rival's was never committed");
    }
    let handled = handled.await.expect("acknowledged");
    assert_eq!((handled.duplicate, handled.state()), (false, State::Pending));
    let mut answers = Vec::new();
    for answer in others {
        let answer = answer.await.expect("acknowledged");
        assert_eq!(answer.state(), State::Ignored);
        answers.push((answer.event_id, answer.duplicate));
    }
    answers.sort();
    let expected = [("evt_before", true), ("evt_new", false), ("evt_new", true), ("evt_new", true)];
    assert_eq!(answers, expected.map(|(id, duplicate)| (id.to_owned(), duplicate)));
}

#[tokio::test]
async fn an_event_alone_is_stored_like_those_that_share_a_statement() {
    const KINDS: &str = "(SELECT DISTINCT to_jsonb(e) - '{sequence,event_id,object_id,lease_key,trace_parent}'::text[]
                              - '{body,due_time,receive_time,process_time}'::text[]
                              || jsonb_build_object('done', process_time = receive_time, 'due', due_time = receive_time)
                          FROM stripe_events AS e) AS kinds";
    let bench = Bench::start().await;
    bench.receive_beside("evt_alone").await.expect("acknowledged");
    let (blocker, mut answers) = bench.hold_up().await;
    answers.extend(["evt_1", "evt_2"].map(|id| bench.receive_beside(id)));
    bench.orders(&Caller::staff()).await;
    drop(blocker);
    for answer in answers {
        answer.await.expect("acknowledged");
    }
    assert_eq!(bench.count("stripe_events").await, 5);
    assert_eq!(bench.count(KINDS).await, 1, "they differ in nothing but their names");
}
