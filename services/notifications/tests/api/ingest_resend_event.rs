//! `IngestResendEvent`: accepts only what Resend signed, stores it once, and commits before it answers.

use futures_util::future::join_all;
use levqor_notifications::Notifications;
use levqor_proto_notifications::v1::GetProviderEventRequest;
use levqor_runtime::{
    testing::{self, Caller, TestService},
    webhook::PROBE,
};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tonic::Code;

use crate::{
    ADDRESS_KEY, EventState, Notified,
    fake_mail::{
        FakeMail,
        webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook, event, no_such_address},
    },
    reason, refused,
};

const SECRET_OF_SOMEBODY: &str = "whsec_b2Ygc29tZWJvZHk=";

fn bounced() -> String {
    event("email.bounced", "em_of_nobody", 0, &no_such_address()).to_string()
}

async fn start() -> Notified {
    Notified::start_with(&FakeMail::start(), "24").await
}

#[tokio::test]
async fn received_bytes_are_stored_with_their_follow_up_work() {
    let notified = start().await;
    // Resend may choose any spacing, order of fields and unknown fields.
    let webhook = Webhook::of(r#"{ "data":{"new": [1, 2]},  "type":"email.opened" }"#);
    let answer = notified.ingest(&webhook).await.expect("journaled");
    assert_eq!((answer.event_id.as_str(), answer.duplicate), (webhook.id.as_str(), false));
    let ignored = notified.told(&webhook, EventState::Ignored).await;
    assert_eq!((ignored.r#type.as_str(), ignored.provider.as_str()), ("email.opened", "resend"));
    let request = GetProviderEventRequest { provider_event_id: ignored.provider_event_id };
    let got = notified.client().get_provider_event(Caller::staff().request(request)).await.expect("there");
    assert_eq!(got.into_inner().body, webhook.body);
}

#[tokio::test]
async fn each_of_two_live_secrets_is_accepted_and_several_signatures_are_looked_at() {
    let notified = start().await;
    for secret in [WEBHOOK_SECRET, OTHER_WEBHOOK_SECRET] {
        let mut webhook = Webhook::signed(secret, 0, r#"{"type":"email.sent"}"#);
        webhook.signature = format!("v1,AAAA {}", webhook.signature);
        assert!(!notified.ingest(&webhook).await.expect(secret).duplicate);
    }
}

#[tokio::test]
async fn an_event_without_resends_signature_is_never_journaled() {
    let notified = start().await;
    let body = bounced();
    let good = || Webhook::of(&body);
    let without = |field: fn(&mut Webhook) -> &mut String| {
        let mut webhook = good();
        field(&mut webhook).clear();
        webhook
    };
    for (webhook, expected) in [
        (without(|webhook| &mut webhook.signature), "SIGNATURE_MISSING"),
        (without(|webhook| &mut webhook.id), "SIGNATURE_MISSING"),
        (without(|webhook| &mut webhook.timestamp), "SIGNATURE_MISSING"),
        (without(|webhook| &mut webhook.body), "SIGNATURE_MISMATCH"),
        (Webhook { signature: "nonsense".to_owned(), ..good() }, "SIGNATURE_MALFORMED"),
        (Webhook { id: "msg_other".to_owned(), ..good() }, "SIGNATURE_MISMATCH"),
        (Webhook { body: body.replace("Permanent", "Transient"), ..good() }, "SIGNATURE_MISMATCH"),
        (Webhook::signed(SECRET_OF_SOMEBODY, 0, &body), "SIGNATURE_MISMATCH"),
        (Webhook::signed(WEBHOOK_SECRET, -301, &body), "SIGNATURE_STALE"),
        (Webhook::signed(WEBHOOK_SECRET, 330, &body), "SIGNATURE_FUTURE"),
    ] {
        let status = refused(notified.ingest(&webhook).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, expected));
    }
    assert_eq!(notified.count("provider_events").await, 0);
}

#[tokio::test]
async fn without_a_secret_no_event_is_accepted_and_the_sender_retries() {
    let notified = Notified::start().await;
    let status = refused(notified.ingest(&Webhook::of(&bounced())).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "WEBHOOKS_OFF"));
    assert_eq!(notified.count("provider_events").await, 0);
}

#[tokio::test]
async fn the_answer_to_a_probe_says_whether_its_secret_is_live_and_nothing_is_stored() {
    let notified = start().await;
    for (secret, expected) in [
        (WEBHOOK_SECRET, "WEBHOOK_PROBE"),
        (OTHER_WEBHOOK_SECRET, "WEBHOOK_PROBE"),
        (SECRET_OF_SOMEBODY, "SIGNATURE_MISMATCH"),
    ] {
        let status = refused(notified.ingest(&Webhook::signed(secret, 0, PROBE)).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, expected));
    }
    assert_eq!(notified.count("provider_events").await, 0);
}

#[tokio::test]
async fn ten_copies_at_once_are_one_event() {
    let notified = start().await;
    let webhook = Webhook::of(&json!({"type": "email.sent"}).to_string());
    let answers = join_all((0..10).map(|_| notified.ingest(&webhook))).await;
    let fresh = answers.into_iter().filter(|answer| !answer.as_ref().expect("taken").duplicate).count();
    assert_eq!(fresh, 1);
    notified.told(&webhook, EventState::Ignored).await;
    let late = notified.ingest(&webhook).await.expect("taken");
    assert_eq!((late.duplicate, late.state()), (true, EventState::Ignored));
    assert_eq!(notified.count("provider_events").await, 1);
}

#[tokio::test]
async fn while_the_database_is_down_nothing_is_acknowledged_and_the_retry_succeeds() {
    let url = testing::database::<Notifications>().await;
    let down = url.with_database("notifications_that_come_late");
    let settings = [ADDRESS_KEY, ("RESEND_WEBHOOK_SECRET", WEBHOOK_SECRET)];
    let notified = Notified { service: TestService::start_on(down, &settings).await };
    let webhook = Webhook::of(&json!({"type": "email.sent"}).to_string());
    let status = refused(notified.ingest(&webhook).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DATABASE_UNAVAILABLE"));

    let mut server =
        PgConnection::connect_with(url.with_database("postgres").options()).await.expect("a server");
    let name = url.options().get_database().expect("a name");
    let rename = format!("ALTER DATABASE {name} RENAME TO notifications_that_come_late");
    sqlx::raw_sql(sqlx::AssertSqlSafe(rename)).execute(&mut server).await.expect("renamed");
    assert!(!notified.ingest(&webhook).await.expect("journaled").duplicate);
    notified.told(&webhook, EventState::Ignored).await;
    assert_eq!(notified.journal().await.pending, 0);
}
