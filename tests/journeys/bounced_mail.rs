//! A mail that the provider accepted and could not deliver. Staff see it in the list of messages, and the metrics count it.

use levqor_runtime::{metrics::Format, testing::has_word};
use serde_json::{Value, json};

use crate::{
    fakes::mail::{
        API_KEY, FakeMail,
        webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook, event, no_such_address},
    },
    harness::Mesh,
    stripe::paid_checkout,
};

/// A mesh whose provider has accepted the two mails about an order.
async fn ordered() -> (FakeMail, Mesh) {
    let provider = FakeMail::start();
    let settings = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())];
    let mesh = Mesh::start_with(&settings).await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 2);
    (provider, mesh)
}

async fn journaled(mesh: &Mesh) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM provider_events")
        .fetch_one(mesh.notifications_db().pool())
        .await
        .expect("count")
}

#[tokio::test]
async fn a_bounce_is_shown_in_the_message_and_in_the_list() {
    let (provider, mesh) = ordered().await;
    let bounced = provider.tell(0, "email.bounced", 7, &no_such_address());
    for webhook in [&bounced, &provider.tell(1, "email.delivered", 1, &Value::Null), &bounced] {
        let answer = mesh.tell(webhook).await;
        assert_eq!((answer.status, answer.str("/event_id")), (200, webhook.id.as_str()), "{}", answer.text);
    }
    mesh.settle().await;
    let listed = mesh.staff().get("/v1/messages?delivery_outcome=DELIVERY_OUTCOME_BOUNCED_HARD").await;
    let [message] = listed.list("messages") else { panic!("one bounced: {listed:?}") };
    assert_eq!(message["provider_message_id"], provider.accepted()[0].id.as_str());
    let id = message["message_id"].as_str().expect("an id");
    let shown = mesh.staff().get(&format!("/v1/messages/{id}")).await;
    for (pointer, expected) in [
        ("/message/state", "STATE_SENT"),
        ("/message/delivery_outcome", "DELIVERY_OUTCOME_BOUNCED_HARD"),
        ("/message/delivery_outcome_time", "2026-11-24T12:00:07.126Z"),
        ("/delivery_reports/0/outcome", "DELIVERY_OUTCOME_BOUNCED_HARD"),
        ("/delivery_reports/0/detail", "Permanent/General"),
    ] {
        assert_eq!(shown.str(pointer), expected, "{pointer}: {}", shown.text);
    }
    let page = mesh.scrape(Format::Plain).await;
    for line in [
        "levqor_mail_deliveries_total{service_name=\"levqor-notifications\",outcome=\"bounced_hard\"} 1",
        "levqor_mail_deliveries_total{service_name=\"levqor-notifications\",outcome=\"delivered\"} 1",
    ] {
        let counted = page.lines().any(|of| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let labels = name.trim_end_matches('}').split(['{', ',']);
            of.ends_with(&format!(" {value}")) && labels.clone().all(|label| of.contains(label))
        });
        assert!(counted, "{line} is not in {page}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn an_event_without_resends_signature_is_refused_and_never_stored() {
    let (provider, mesh) = ordered().await;
    let good = provider.tell(0, "email.bounced", 7, &no_such_address());
    for (what, webhook) in [
        ("no signature", Webhook { signature: String::new(), ..good.clone() }),
        ("no id", Webhook { id: String::new(), ..good.clone() }),
        ("another id", Webhook { id: "msg_other".to_owned(), ..good.clone() }),
        ("tampered body", Webhook { body: good.body.replace("bounced", "delivered"), ..good.clone() }),
        ("stale", Webhook::signed(WEBHOOK_SECRET, -301, &good.body)),
        ("from the future", Webhook::signed(WEBHOOK_SECRET, 360, &good.body)),
    ] {
        let answer = mesh.tell(&webhook).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert!(answer.str("/reason").starts_with("SIGNATURE_"), "{what}: {}", answer.text);
    }
    assert_eq!(journaled(&mesh).await, 0);
    assert_eq!(mesh.tell(&Webhook::signed(OTHER_WEBHOOK_SECRET, 0, &good.body)).await.status, 200);
    mesh.finish().await;
}

#[tokio::test]
async fn an_unreadable_event_is_quarantined_raises_one_error_and_delays_no_other() {
    let (provider, mesh) = ordered().await;
    assert_eq!(mesh.tell(&Webhook::of("<html>ada@example.com")).await.status, 200);
    assert_eq!(mesh.tell(&provider.tell(0, "email.delivered", 1, &Value::Null)).await.status, 200);
    mesh.settle().await;
    let quarantined = mesh.staff().get("/v1/provider-events?state=STATE_QUARANTINED").await;
    assert_eq!(quarantined.list("provider_events").len(), 1);
    let raised = mesh.take_errors();
    assert_eq!(raised.len(), 1, "raised once: {raised:?}");
    assert!(!has_word(&raised[0], "ada"), "raised without anything personal: {raised:?}");
    let delivered = mesh.staff().get("/v1/messages?delivery_outcome=DELIVERY_OUTCOME_DELIVERED").await;
    assert_eq!(delivered.list("messages").len(), 1);
    sqlx::query("DELETE FROM runtime.work").execute(mesh.notifications_db().pool()).await.expect("tidy");
    mesh.finish().await;
}

#[tokio::test]
async fn a_mail_of_another_sender_in_the_same_account_stays_unmatched() {
    let (_provider, mesh) = ordered().await;
    let strange = event("email.complained", "em_of_others", 1, &json!({}));
    assert_eq!(mesh.tell(&Webhook::of(&strange.to_string())).await.status, 200);
    mesh.advance(chrono::TimeDelta::hours(2)).await;
    mesh.settle().await;
    let unmatched = mesh.staff().get("/v1/provider-events?state=STATE_UNMATCHED").await;
    assert_eq!(unmatched.list("provider_events").len(), 1);
    mesh.finish().await;
}
