//! Events that are there before their message has its provider's id: they wait, and are not forgotten.

use chrono::TimeDelta;
use levqor_proto::notifications::v1::{
    DeliveryOutcome, ResolveMessageRequest,
    message::State,
    resolve_message_request::{Resolution, Sent},
};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::Value;

use crate::{
    EventState, Notified,
    fake_mail::{
        Behaviour, FakeMail,
        webhooks::{Webhook, event},
    },
    welcome,
};

const TEN_S: std::time::Duration = std::time::Duration::from_secs(10);

async fn delivered(notified: &Notified, id: &str) {
    eventually("the outcome is known", || async {
        let message = notified.message(id).await;
        (message.delivery_outcome() == DeliveryOutcome::Delivered).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_that_overtakes_the_providers_answer_waits_for_it() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Behaviour::AcceptSlowly(TEN_S)]);
    let id = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    eventually("the provider has the mail", || async { (provider.accepted().len() == 1).then_some(()) })
        .await;
    let webhook = provider.tell(0, "email.delivered", 0, &Value::Null);
    let waiting = notified.told(&webhook, EventState::AwaitingMessage).await;
    assert_eq!(waiting.provider_message_id, provider.accepted()[0].id);
    assert!(waiting.message_id.is_empty() && waiting.settle_time.is_none());
    assert_eq!(notified.message(&id).await.state(), State::Pending);

    provider.release();
    delivered(&notified, &id).await;
    let applied = notified.told(&webhook, EventState::Applied).await;
    assert_eq!(applied.message_id, id);
}

#[tokio::test]
async fn after_an_hour_it_is_somebody_elses_mail() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    let webhook = Webhook::of(&event("email.delivered", "em_of_others", 0, &Value::Null).to_string());
    notified.told(&webhook, EventState::AwaitingMessage).await;
    notified.service.advance(TimeDelta::minutes(59)).await;
    assert_eq!(notified.count("runtime.work WHERE failure <> ''").await, 0, "to wait is no failure");
    assert_eq!(notified.events().await[0].state(), EventState::AwaitingMessage);
    notified.service.advance(TimeDelta::minutes(1)).await;
    let unmatched = notified.told(&webhook, EventState::Unmatched).await;
    assert!(unmatched.settle_time.is_some());
    assert_eq!(
        notified.count("runtime.work WHERE rpc LIKE '%/ApplyProviderEvent'").await,
        0,
        "nothing of it is left"
    );
}

#[tokio::test]
async fn what_was_laid_aside_is_applied_when_the_message_gets_that_id_after_all() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    provider.next([Behaviour::AcceptAndCut]);
    let id = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    eventually("it is in doubt", || async {
        (notified.message(&id).await.state() == State::InDoubt).then_some(())
    })
    .await;
    let webhook = provider.tell(0, "email.delivered", 0, &Value::Null);
    notified.told(&webhook, EventState::AwaitingMessage).await;
    notified.service.advance(TimeDelta::hours(2)).await;
    notified.told(&webhook, EventState::Unmatched).await;

    let sent = Sent { provider_message_id: provider.accepted()[0].id.clone() };
    let request = ResolveMessageRequest { message_id: id.clone(), resolution: Some(Resolution::Sent(sent)) };
    let staff = Caller::staff().with_key("k");
    notified.client().resolve_message(staff.request(request)).await.expect("resolved");
    delivered(&notified, &id).await;
    notified.told(&webhook, EventState::Applied).await;
}

#[tokio::test]
async fn an_event_that_comes_while_its_message_is_being_settled_waits_for_that_moment_only() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    let id = "em_in_between";
    let message = notified.pending().await;
    let mut settling = notified.service.db.begin().await.expect("begin");
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('provider_message_id ' || $1, 0))")
        .bind(id)
        .execute(&mut *settling)
        .await
        .expect("held");
    sqlx::query(
        "UPDATE messages SET state = 'SENT', provider = 'resend', provider_message_id = $1, send_time = now()
         WHERE message_id = $2::uuid",
    )
    .bind(id)
    .bind(&message)
    .execute(&mut *settling)
    .await
    .expect("settled");
    let webhook = Webhook::of(&event("email.delivered", id, 0, &Value::Null).to_string());
    notified.ingest(&webhook).await.expect("journaled");
    let held = "pg_locks WHERE locktype = 'advisory' AND NOT granted";
    eventually("it is held up", || async { (notified.count(held).await == 1).then_some(()) }).await;
    settling.commit().await.expect("commit");
    let applied = notified.told(&webhook, EventState::Applied).await;
    assert_eq!(applied.message_id, message);
}
