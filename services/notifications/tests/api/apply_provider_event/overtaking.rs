//! Events that arrive before their message has its provider id wait, and are applied later.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
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

/// A trigger that stops the resolving transaction in the middle, while it holds the lock of the provider's id. It waits for an
/// advisory lock, which the test releases.
const BARRIER: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
    CREATE TRIGGER wait BEFORE INSERT ON runtime.audit_entries
    FOR EACH ROW WHEN (NEW.action LIKE 'message.%') EXECUTE FUNCTION wait()";

const TEN_S: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) async fn delivered(notified: &Notified, id: &str) {
    eventually("the outcome is known", || async {
        let message = notified.message(id).await;
        (message.delivery_outcome() == DeliveryOutcome::Delivered).then_some(())
    })
    .await;
}

/// A message that the provider took although its answer was lost, and the provider's id for it.
pub(super) async fn in_doubt(provider: &FakeMail, notified: &Notified) -> (String, String) {
    provider.next([Behaviour::AcceptAndCut]);
    let id = notified.pending().await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    (id, provider.accepted()[0].id.clone())
}

async fn resolve_as_sent(notified: &Notified, (id, provider_message_id): (String, String)) {
    let resolution = Some(Resolution::Sent(Sent { provider_message_id }));
    let request = ResolveMessageRequest { message_id: id, resolution };
    let staff = Caller::staff().with_key("k");
    notified.client().resolve_message(staff.request(request)).await.expect("resolved");
}

/// A webhook about the first mail from a server that repeats no tags.
fn untagged(provider: &FakeMail) -> Webhook {
    Webhook::of(&event("email.delivered", &provider.accepted()[0].id, 0, &Value::Null).to_string())
}

/// Waits until this number of rows exists.
async fn until(notified: &Notified, rows: &str, count: i64) {
    eventually(rows, || async { (notified.count(rows).await == count).then_some(()) }).await;
}

const CALLS: &str = "runtime.work WHERE rpc LIKE '%/ApplyProviderEvent'";
const DUE: &str = "runtime.work WHERE due_time <= runtime.now()";
const HELD_UP: &str = "pg_locks JOIN pg_database AS d ON d.oid = database
                       WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";

#[tokio::test]
async fn an_event_before_the_providers_answer_waits_for_it() {
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
async fn after_an_hour_an_unmatched_event_is_not_about_a_mail_of_ours() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    let webhook = Webhook::of(&event("email.delivered", "em_of_others", 0, &Value::Null).to_string());
    notified.told(&webhook, EventState::AwaitingMessage).await;
    notified.service.advance(TimeDelta::minutes(59)).await;
    until(&notified, DUE, 0).await;
    let failed = format!("{CALLS} AND failure <> ''");
    assert_eq!(notified.count(&failed).await, 0, "to wait is no failure");
    assert_eq!(notified.events().await[0].state(), EventState::AwaitingMessage);
    notified.service.advance(TimeDelta::minutes(1)).await;
    let unmatched = notified.told(&webhook, EventState::Unmatched).await;
    assert!(unmatched.settle_time.is_some());
    until(&notified, CALLS, 0).await;
}

#[tokio::test]
async fn an_event_whose_call_was_made_early_waits_a_day_at_most_and_keeps_no_body() {
    let notified = Notified::start_with(&FakeMail::start(), "24").await;
    let webhook = Webhook::of(&event("email.delivered", "em_of_others", 0, &Value::Null).to_string());
    notified.told(&webhook, EventState::AwaitingMessage).await;
    // A replay by staff does the same.
    notified
        .execute("UPDATE runtime.work SET due_time = runtime.now() WHERE idempotency_key LIKE '%/waited'")
        .await;
    notified.service.advance(TimeDelta::zero()).await;
    until(&notified, CALLS, 0).await;
    assert_eq!(notified.events().await[0].state(), EventState::AwaitingMessage);
    notified.service.advance(TimeDelta::days(1)).await;
    let unmatched = notified.told(&webhook, EventState::Unmatched).await;
    assert!(unmatched.settle_time.is_some());
    notified.service.advance(TimeDelta::days(31)).await;
    until(&notified, "provider_events WHERE body IS NULL", 1).await;
}

#[tokio::test]
async fn an_unmatched_event_is_applied_once_the_message_gets_its_id() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let message = in_doubt(&provider, &notified).await;
    let id = message.0.clone();
    let webhook = untagged(&provider);
    notified.told(&webhook, EventState::AwaitingMessage).await;
    notified.service.advance(TimeDelta::hours(2)).await;
    notified.told(&webhook, EventState::Unmatched).await;
    resolve_as_sent(&notified, message).await;
    delivered(&notified, &id).await;
    notified.told(&webhook, EventState::Applied).await;
}

#[tokio::test]
async fn an_event_waits_only_while_its_message_is_being_settled() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let message = in_doubt(&provider, &notified).await;
    let id = message.0.clone();
    notified.execute(BARRIER).await;
    let mut barrier = notified.service.db.begin().await.expect("begin");
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(1)").execute(&mut *barrier).await.expect("raised");
    let meanwhile = async {
        until(&notified, HELD_UP, 1).await;
        let webhook = untagged(&provider);
        notified.ingest(&webhook).await.expect("journaled");
        // Both sides must take the lock. Otherwise the event finds no message, and the message finds no event.
        until(&notified, HELD_UP, 2).await;
        barrier.commit().await.expect("lowered");
        webhook
    };
    let (webhook, ()) = tokio::join!(meanwhile, resolve_as_sent(&notified, message));
    let applied = notified.told(&webhook, EventState::Applied).await;
    assert_eq!(applied.message_id, id);
}
