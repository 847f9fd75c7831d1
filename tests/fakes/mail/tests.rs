//! The fake behaves as Resend documents it, and misbehaves when a test says so.

use std::time::Duration;

use serde_json::{Value, json};

use super::{API_KEY, Behaviour, FakeMail, webhooks};

async fn send(fake: &FakeMail, key: &str, subject: &str) -> reqwest::Result<(u16, Value)> {
    let mail = json!({"from": "Levqor <orders@levqor.ai>", "to": ["ada@example.com"], "subject": subject,
                      "text": "text", "html": "<p>html</p>"});
    let request = levqor_runtime::client::local_http_client()?.post(format!("{}/emails", fake.url()));
    let request = request.bearer_auth(API_KEY).header("idempotency-key", key);
    let answer = request.json(&mail).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test]
async fn a_provider_that_honours_keys_accepts_a_key_once_and_another_each_time() {
    for (fake, mails) in [(FakeMail::start(), 1), (FakeMail::start_ignoring_keys(), 2)] {
        let first = send(&fake, "k", "Hello").await.expect("an answer");
        let second = send(&fake, "k", "Hello").await.expect("an answer");
        assert_eq!((first.0, second.0, first == second), (200, 200, mails == 1));
        let accepted = fake.accepted();
        assert_eq!((accepted.len(), fake.requests()), (mails, 2));
        let mail = &accepted[0];
        assert_eq!(first.1["id"], mail.id.as_str());
        let kept = (mail.key.as_deref(), mail.from.as_str(), mail.to.as_str());
        assert_eq!(kept, (Some("k"), "Levqor <orders@levqor.ai>", "ada@example.com"));
        let parts = (mail.subject.as_str(), mail.text.as_str(), mail.html.as_str());
        assert_eq!(parts, ("Hello", "text", "<p>html</p>"));
    }
}

#[tokio::test]
async fn a_key_with_another_mail_is_refused_until_it_is_forgotten() {
    let fake = FakeMail::start();
    send(&fake, "k", "Hello").await.expect("an answer");
    let (status, body) = send(&fake, "k", "Goodbye").await.expect("an answer");
    assert_eq!((status, &body["name"]), (409, &json!("invalid_idempotent_request")));
    fake.forget_keys();
    assert_eq!(send(&fake, "k", "Goodbye").await.expect("an answer").0, 200);
    assert_eq!(fake.accepted().len(), 2);
}

#[tokio::test]
async fn failures_happen_in_the_requested_order() {
    use Behaviour::{Accept, AcceptAndBabble, AcceptAndCut, AcceptAndFail, Cut, Fail, RateLimit};
    let fake = FakeMail::start_ignoring_keys();
    fake.next([RateLimit(7), Fail(422), Cut, Accept, AcceptAndCut, AcceptAndFail(500), AcceptAndBabble]);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let answer = send(&fake, "k", "Hello").await;
        seen.push((answer.map_or(0, |(status, _)| status), fake.accepted().len()));
    }
    let expected = [(429, 0), (422, 0), (0, 0), (200, 1), (0, 2), (500, 3), (0, 4), (200, 5)];
    assert_eq!(seen, expected);
    fake.next([Cut]);
    fake.heal();
    assert_eq!(send(&fake, "k", "Hello").await.expect("an answer").0, 200);
}

#[tokio::test]
async fn a_slow_answer_waits_for_its_release_and_its_key_is_in_progress() {
    let fake = FakeMail::start();
    fake.next([Behaviour::AcceptSlowly(Duration::from_mins(1))]);
    let slow = send(&fake, "k", "Hello");
    let meanwhile = async {
        let taken = || async { (fake.accepted().len() == 1).then_some(()) };
        levqor_runtime::testing::eventually("the mail is accepted", taken).await;
        let second = send(&fake, "k", "Hello").await.expect("an answer");
        fake.release();
        second
    };
    let (slow, second) = tokio::join!(slow, meanwhile);
    assert_eq!(slow.expect("an answer").0, 200);
    assert_eq!((second.0, &second.1["name"]), (409, &json!("concurrent_idempotent_requests")));
}

#[tokio::test]
async fn refused_connections_can_connect_again() {
    let fake = FakeMail::start();
    fake.refuse_connections();
    assert!(send(&fake, "k", "Hello").await.is_err_and(|error| error.is_connect()));
    fake.take_connections();
    assert_eq!(send(&fake, "k", "Hello").await.expect("an answer").0, 200);
}

#[tokio::test]
async fn events_about_a_mail_are_signed_with_the_named_secret() {
    let fake = FakeMail::start();
    send(&fake, "k", "Hello").await.expect("an answer");
    let told = fake.tell(0, "email.bounced", 7, &webhooks::no_such_address());
    let event: Value = serde_json::from_str(&told.body).expect("JSON");
    assert_eq!(event["data"]["email_id"], fake.accepted()[0].id.as_str());
    assert_eq!(
        event,
        webhooks::event("email.bounced", &fake.accepted()[0].id, 7, &webhooks::no_such_address())
    );
    assert_eq!(
        (&event["created_at"], &event["data"]["bounce"]["type"]),
        (&json!("2026-11-24T12:00:07.126Z"), &json!("Permanent"))
    );
    let request = levqor_runtime::client::local_http_client().expect("a client");
    let request = request.post(format!("{}/emails", fake.url())).bearer_auth(API_KEY);
    let tagged = json!({"from": "a@b.cd", "to": ["ada@example.com"], "subject": "s",
                        "tags": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]});
    assert_eq!(request.json(&tagged).send().await.expect("an answer").status(), 200);
    let told = fake.tell(1, "email.delivered", 0, &Value::Null);
    let event: Value = serde_json::from_str(&told.body).expect("JSON");
    assert_eq!(event["data"]["tags"], json!({"a": "1", "b": "2"}));
    let signed = |secret, offset_s| webhooks::Webhook::signed(secret, offset_s, "{}");
    let [one, other] =
        [webhooks::WEBHOOK_SECRET, webhooks::OTHER_WEBHOOK_SECRET].map(|secret| signed(secret, 0));
    assert!(one.id != other.id && one.signature != other.signature);
    let seconds = |webhook: &webhooks::Webhook| webhook.timestamp.parse::<i64>().expect("seconds");
    let ago = seconds(&one) - seconds(&signed(webhooks::WEBHOOK_SECRET, -300));
    // A busy machine may take some time between the two.
    assert!((240..=300).contains(&ago), "{ago}");
}
