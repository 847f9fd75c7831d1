//! Events that cannot be understood are kept, are visible, and can be processed again.

use levqor_proto_notifications::v1::DeliveryOutcome;
use levqor_runtime::testing::eventually;

use super::sent;
use crate::{
    EventState,
    fake_mail::webhooks::{Webhook, no_such_address},
};

#[tokio::test]
async fn an_event_that_cannot_be_understood_is_accepted_quarantined_and_listed() {
    let (provider, notified, _) = sent().await;
    let no_kind = provider.tell(0, "email.bounced", 0, &serde_json::json!({}));
    for (body, event_type, failure) in [
        ("{ not JSON", "", "INVALID_ARGUMENT PROVIDER_EVENT_NOT_UNDERSTOOD body"),
        ("{}", "", "INVALID_ARGUMENT PROVIDER_EVENT_NOT_UNDERSTOOD body.type"),
        (
            no_kind.body.as_str(),
            "email.bounced",
            "INVALID_ARGUMENT PROVIDER_EVENT_NOT_UNDERSTOOD body.data.bounce.type",
        ),
    ] {
        let event = notified.told(&Webhook::of(body), EventState::Quarantined).await;
        assert_eq!((event.r#type.as_str(), event.failure.as_str()), (event_type, failure));
        assert!(event.settle_time.is_none());
    }
    assert_eq!(notified.count("runtime.work WHERE state = 'DEAD'").await, 3, "one place to look and replay");
    let depth = notified.journal().await;
    assert_eq!((depth.pending, depth.quarantined), (0, 3));
}

#[tokio::test]
async fn a_quarantined_event_is_applied_when_its_call_is_replayed_after_the_fix() {
    let (provider, notified, id) = sent().await;
    let good = provider.tell(0, "email.bounced", 0, &no_such_address());
    let webhook = Webhook::of(&good.body.replace("Permanent", "Perma nent"));
    notified.told(&webhook, EventState::Quarantined).await;
    // Simulates a newer version that understands the event, and a replay of the call.
    notified
        .execute(
            "UPDATE provider_events
             SET body = convert_to(replace(convert_from(body, 'UTF8'), 'Perma nent', 'Permanent'), 'UTF8');
             UPDATE runtime.work SET state = 'WAITING', attempts = 0, due_time = runtime.now()
             WHERE rpc LIKE '%/ApplyProviderEvent'",
        )
        .await;
    let applied = notified.told(&webhook, EventState::Applied).await;
    assert!(applied.failure.is_empty());
    eventually("the outcome is known", || async {
        (notified.message(&id).await.delivery_outcome() == DeliveryOutcome::BouncedHard).then_some(())
    })
    .await;
}
