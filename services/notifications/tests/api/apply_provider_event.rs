//! `ApplyProviderEvent`: the events of a provider are applied to their message once, in any order.

mod any_order;
mod not_understood;
mod overtaking;
mod suppressing;
mod tagged;

use levqor_proto_notifications::v1::{ApplyProviderEventRequest, DeliveryOutcome, message::State};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    EventState, Notified, UNKNOWN_ID,
    fake_mail::{FakeMail, webhooks::no_such_address},
    reason, refused, violated, welcome,
};

/// A service, its provider, and the one message that the service sent.
async fn sent() -> (FakeMail, Notified, String) {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    (provider, notified, id)
}

async fn apply(notified: &Notified, caller: &Caller, id: &str) -> Result<EventState, tonic::Status> {
    let request = caller.request(ApplyProviderEventRequest { provider_event_id: id.to_owned() });
    Ok(notified.client().apply_provider_event(request).await?.into_inner().state())
}

#[tokio::test]
async fn a_bounce_is_shown_beside_the_state_of_the_message() {
    let (provider, notified, id) = sent().await;
    let event =
        notified.told(&provider.tell(0, "email.bounced", 7, &no_such_address()), EventState::Applied).await;
    assert_eq!(event.message_id, id);
    assert_eq!(event.provider_message_id, provider.accepted()[0].id);
    assert!(event.create_time.is_some() && event.settle_time.is_some());
    let shown = notified.shown(&id).await;
    let [report] = shown.delivery_reports.as_slice() else { panic!("one report") };
    assert_eq!(
        (report.outcome(), report.detail.as_str()),
        (DeliveryOutcome::BouncedHard, "Permanent/General")
    );
    let message = shown.message.expect("a message");
    assert_eq!(message.state(), State::Sent, "the provider took it all the same");
    assert_eq!(message.delivery_outcome(), DeliveryOutcome::BouncedHard);
    assert_eq!(message.delivery_outcome_time, report.report_time);
    assert_eq!(message.delivery_outcome_time.expect("a time").nanos, 126_000_000);
}

#[tokio::test]
async fn every_type_that_tells_of_a_delivery_has_its_outcome() {
    use DeliveryOutcome::{BouncedSoft, Complained, Delayed, Delivered, Failed, Suppressed};
    let none = json!({});
    for (event_type, more, outcome, detail) in [
        ("email.delivered", none.clone(), Delivered, ""),
        ("email.delivery_delayed", none.clone(), Delayed, ""),
        ("email.complained", none, Complained, ""),
        (
            "email.bounced",
            json!({"bounce": {"type": "Transient", "subType": "MailboxFull"}}),
            BouncedSoft,
            "Transient/MailboxFull",
        ),
        ("email.failed", json!({"failed": {"reason": "reached_daily_quota"}}), Failed, "reached_daily_quota"),
        (
            "email.suppressed",
            json!({"suppressed": {"type": "OnAccountSuppressionList"}}),
            Suppressed,
            "OnAccountSuppressionList",
        ),
    ] {
        let (provider, notified, id) = sent().await;
        notified.told(&provider.tell(0, event_type, 0, &more), EventState::Applied).await;
        let shown = notified.shown(&id).await;
        let [report] = shown.delivery_reports.as_slice() else { panic!("one report of {event_type}") };
        assert_eq!((report.outcome(), report.detail.as_str()), (outcome, detail));
        assert_eq!(shown.message.expect("a message").delivery_outcome(), outcome);
    }
}

#[tokio::test]
async fn types_without_an_outcome_are_stored_and_change_nothing() {
    let (provider, notified, id) = sent().await;
    for event_type in ["email.sent", "email.opened", "email.clicked", "contact.created", "email.yet_unknown"]
    {
        let event = notified.told(&provider.tell(0, event_type, 0, &Value::Null), EventState::Ignored).await;
        assert_eq!(event.r#type, event_type);
    }
    assert!(notified.shown(&id).await.delivery_reports.is_empty());
    assert_eq!(notified.count("provider_events").await, 5);
}

#[tokio::test]
async fn a_settled_event_stays_settled() {
    let (provider, notified, id) = sent().await;
    let event =
        notified.told(&provider.tell(0, "email.delivered", 0, &Value::Null), EventState::Applied).await;
    notified.execute("DELETE FROM delivery_reports").await;
    let ourselves = Caller::service("notifications", "notifications");
    let again = apply(&notified, &ourselves, &event.provider_event_id).await;
    assert_eq!(again.expect("answered"), EventState::Applied);
    assert!(notified.shown(&id).await.delivery_reports.is_empty(), "it was applied before");
}

#[tokio::test]
async fn an_unknown_event_is_an_error() {
    let notified = Notified::start().await;
    let ourselves = Caller::service("notifications", "notifications");
    let status = refused(apply(&notified, &ourselves, UNKNOWN_ID).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "PROVIDER_EVENT_NOT_FOUND"));
    assert_eq!(violated(&refused(apply(&notified, &ourselves, "1").await)), ["provider_event_id"]);
}
