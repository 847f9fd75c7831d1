//! `PurgeStripeEventBodies`: bodies are purged 30 days after processing, those of quarantined events 90 days after arrival. The
//! events stay.

use levqor_proto_billing::v1::{PurgeStripeEventBodiesRequest, stripe_event::State};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::Status;

use crate::support::{Bench, event, session};

const COMPLETED: &str = "checkout.session.completed";

impl Bench {
    async fn purge(&self) -> Result<i64, Status> {
        let request = Caller::service("billing", "billing").request(PurgeStripeEventBodiesRequest {});
        Ok(self.client().purge_stripe_event_bodies(request).await?.into_inner().purged)
    }
}

#[tokio::test]
async fn only_bodies_past_their_retention_are_purged() {
    let bench = Bench::start().await;
    bench.outlive_slot("purge_stripe_event_bodies", "PurgeStripeEventBodies").await;
    for n in 1..=3 {
        bench.process(&event(&format!("evt_{n}"), "a.b", &json!({"id": "o_1"}))).await;
    }
    for n in 4..=5 {
        bench.process(&event(&format!("evt_{n}"), COMPLETED, &json!({"id": "cs_1"}))).await;
    }
    bench.process(&event("evt_6", COMPLETED, &session("cs_2"))).await;
    let past = "UPDATE stripe_events SET process_time = runtime.now() - interval '30 days 1 second' WHERE event_id = 'evt_1';
                UPDATE stripe_events SET process_time = runtime.now() - interval '29 days' WHERE event_id = 'evt_2';
                UPDATE stripe_events SET receive_time = runtime.now() - interval '89 days' WHERE event_id = 'evt_4';
                UPDATE stripe_events SET receive_time = runtime.now() - interval '90 days 1 second' WHERE event_id = 'evt_5';
                UPDATE stripe_events SET process_time = runtime.now() - interval '31 days' WHERE event_id = 'evt_6';";
    bench.execute(past).await;
    assert_eq!(bench.purge().await.expect("purged"), 3);
    assert_eq!(bench.purge().await.expect("nothing left"), 0);
    for (n, purged) in [(1, true), (2, false), (3, false), (4, false), (5, true), (6, true)] {
        let event_id = format!("evt_{n}");
        assert_eq!(bench.event_and_body(&event_id).await.body.is_empty(), purged, "{event_id}");
    }
    for (event_id, state) in
        [("evt_1", State::Ignored), ("evt_5", State::Quarantined), ("evt_6", State::Processed)]
    {
        assert_eq!(bench.event(event_id).await.state(), state, "the event stays");
    }
}

#[tokio::test]
async fn a_body_that_mentions_a_held_person_stays_until_the_hold_ends() {
    let bench = Bench::start().await;
    bench.outlive_slot("purge_stripe_event_bodies", "PurgeStripeEventBodies").await;
    for name in ["ada", "bob"] {
        let object = json!({"id": "o_1", "email": format!("{name}@Example.com")});
        bench.process(&event(&format!("evt_{name}"), "a.b", &object)).await;
    }
    bench
        .execute(
            "UPDATE stripe_events SET process_time = runtime.now() - interval '31 days';
             INSERT INTO runtime.holds (hold_row_id, hold_id, kind, email, stands, change_time)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'LEGAL_HOLD', 'ada@example.com', true, runtime.now())",
        )
        .await;
    assert_eq!(bench.purge().await.expect("purged"), 1);
    assert!(!bench.event_and_body("evt_ada").await.body.is_empty(), "she is held");
    bench.execute("UPDATE runtime.holds SET stands = false").await;
    assert_eq!(bench.purge().await.expect("purged"), 1);
}

#[tokio::test]
async fn a_backlog_is_purged_in_batches() {
    let bench = Bench::start().await;
    bench.outlive_slot("purge_stripe_event_bodies", "PurgeStripeEventBodies").await;
    let backlog = "INSERT INTO stripe_events
                       (event_id, create_time, type, livemode, lease_key, body, state, process_time)
                   SELECT 'evt_' || n, now(), 'a.b', false, 'o', '{}', 'PROCESSED', now() - interval '31 days'
                   FROM generate_series(1, 1201) AS n";
    bench.execute(backlog).await;
    assert_eq!(bench.purge().await.expect("purged"), 1201);
}

#[tokio::test]
async fn the_schedule_purges_by_itself() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "a.b", &json!({"id": "o_1"}))).await;
    bench.service.advance(chrono::TimeDelta::days(31)).await;
    eventually("the body is gone", || async {
        bench.event_and_body("evt_1").await.body.is_empty().then_some(())
    })
    .await;
}
