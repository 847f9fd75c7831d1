//! `PurgeProviderEventBodies`: bodies are purged 30 days after an event was settled, and 90 days after another event arrived. The
//! events stay.

use levqor_proto_notifications::v1::PurgeProviderEventBodiesRequest;
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    EventState, Notified,
    fake_mail::{FakeMail, webhooks::Webhook},
};

async fn purge(notified: &Notified) -> Result<i64, tonic::Status> {
    let request =
        Caller::service("notifications", "notifications").request(PurgeProviderEventBodiesRequest {});
    Ok(notified.client().purge_provider_event_bodies(request).await?.into_inner().purged)
}

/// Inserts the events `msg_1`, `msg_2` … in this state. They arrived this many days ago, and were settled then if the state is
/// settled.
const STORED: &str = "
    INSERT INTO provider_events (provider_event_id, event_id, provider, body, state, failure, receive_time, settle_time)
    SELECT gen_random_uuid(), 'msg_' || n, 'resend', '{}', state, 'why', runtime.now() - age,
           CASE WHEN state = 'IGNORED' THEN runtime.now() - age END
    FROM (VALUES (1, 'IGNORED', interval '30 days 1 second'), (2, 'IGNORED', interval '29 days'),
                 (3, 'QUARANTINED', interval '89 days'), (4, 'QUARANTINED', interval '90 days 1 second'),
                 (5, 'PENDING', interval '89 days'), (6, 'PENDING', interval '90 days 1 second'))
         AS event (n, state, age)";

#[tokio::test]
async fn only_bodies_past_their_retention_are_purged() {
    let notified = Notified::start().await;
    notified.outlive_slot("purge_provider_event_bodies", "PurgeProviderEventBodies").await;
    notified.execute(STORED).await;
    assert_eq!(purge(&notified).await.expect("purged"), 3);
    assert_eq!(purge(&notified).await.expect("nothing left"), 0);
    assert_eq!(notified.count("provider_events").await, 6, "the events stay");
    for (n, purged) in [(1, 1), (4, 1), (6, 1), (2, 0), (3, 0), (5, 0)] {
        let gone = format!("provider_events WHERE event_id = 'msg_{n}' AND body IS NULL");
        assert_eq!(notified.count(&gone).await, purged, "msg_{n}");
    }
    let depth = notified.journal().await;
    assert_eq!(depth.quarantined, 1, "without a body there is nothing to be done about one");
}

#[tokio::test]
async fn a_body_that_mentions_a_held_person_stays_until_the_hold_ends() {
    let notified = Notified::start().await;
    notified.outlive_slot("purge_provider_event_bodies", "PurgeProviderEventBodies").await;
    notified
        .execute(
            "INSERT INTO provider_events (provider_event_id, event_id, provider, body, state, receive_time, settle_time)
             SELECT gen_random_uuid(), name, 'resend', convert_to('{\"to\": \"' || name || '@Example.com\"}', 'UTF8'), 'IGNORED',
                    now(), now() - interval '31 days'
             FROM (VALUES ('ada'), ('bob')) AS event (name);
             INSERT INTO runtime.holds (hold_row_id, hold_id, kind, email, stands, change_time)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'LEGAL_HOLD', 'ada@example.com', true, now())",
        )
        .await;
    assert_eq!(purge(&notified).await.expect("purged"), 1);
    assert_eq!(notified.count("provider_events WHERE event_id = 'ada' AND body IS NOT NULL").await, 1);
    notified.execute("UPDATE runtime.holds SET stands = false").await;
    assert_eq!(purge(&notified).await.expect("purged"), 1);
}

#[tokio::test]
async fn a_backlog_is_purged_in_batches() {
    let notified = Notified::start().await;
    notified.outlive_slot("purge_provider_event_bodies", "PurgeProviderEventBodies").await;
    notified
        .execute(
            "INSERT INTO provider_events (provider_event_id, event_id, provider, body, state, receive_time, settle_time)
             SELECT gen_random_uuid(), 'msg_' || n, 'resend', '{}', 'IGNORED', now(), now() - interval '31 days'
             FROM generate_series(1, 1201) AS n",
        )
        .await;
    assert_eq!(purge(&notified).await.expect("purged"), 1201);
}

#[tokio::test]
async fn the_schedule_purges_by_itself() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    notified.told(&Webhook::of(r#"{"type":"email.sent"}"#), EventState::Ignored).await;
    notified.service.advance(chrono::TimeDelta::days(31)).await;
    eventually("the body is gone", || async {
        (notified.count("provider_events WHERE body IS NULL").await == 1).then_some(())
    })
    .await;
}
