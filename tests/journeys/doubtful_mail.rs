//! The provider accepts mails without an answer. If it honours keys, each mail is sent once. If it does not, each message is in
//! doubt; staff see the doubt and end it.

use serde_json::json;

use crate::{
    fakes::mail::{API_KEY, Behaviour::AcceptAndCut, FakeMail},
    harness::Mesh,
    stripe::paid_checkout,
};

const IN_DOUBT: &str = "/v1/messages?state=STATE_IN_DOUBT";

async fn mesh(provider: &FakeMail, key_hours: &str) -> Mesh {
    let settings =
        [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url()), ("RESEND_KEY_HOURS", key_hours)];
    Mesh::start_with(&settings).await
}

#[tokio::test]
async fn a_cut_connection_loses_no_mail_and_sends_no_second_one_if_keys_are_honoured() {
    let provider = FakeMail::start();
    let mesh = mesh(&provider, "24").await;
    provider.next([AcceptAndCut, AcceptAndCut]);
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    mesh.settle().await;
    let mut subjects: Vec<_> = provider.accepted().into_iter().map(|mail| (mail.to, mail.subject)).collect();
    assert_eq!(subjects.len(), 2);
    subjects.dedup();
    assert_eq!(subjects.len(), 2, "two mails, not one twice: {subjects:?}");
    assert!(provider.requests() >= 4, "both were cut and repeated");
    assert_eq!(mesh.staff().get("/v1/messages?state=STATE_SENT").await.list("messages").len(), 2);
    mesh.finish().await;
}

#[tokio::test]
async fn a_doubt_is_seen_and_ended_by_staff_where_keys_are_ignored() {
    let provider = FakeMail::start_ignoring_keys();
    let mesh = mesh(&provider, "0").await;
    provider.next([AcceptAndCut]);
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    mesh.settle().await;
    assert_eq!(provider.accepted().len(), 2);
    let listed = mesh.staff().get(IN_DOUBT).await;
    let [doubtful] = listed.list("messages") else { panic!("one doubt: {listed:?}") };
    let id = doubtful["message_id"].as_str().expect("an id");
    let shown = mesh.staff().get(&format!("/v1/messages/{id}")).await;
    let key = shown.str("/delivery_attempts/0/idempotency_key").to_owned();

    // Like staff, looks up the key at the provider.
    let mail = provider.accepted().into_iter().find(|mail| mail.key.as_ref() == Some(&key)).expect("there");
    let path = format!("/v1/messages/{id}:resolve");
    let sent = json!({"sent": {"provider_message_id": mail.id}});
    assert_eq!(mesh.staff().post(&path, sent.clone()).await.status, 400, "without an idempotency key");
    let answer = mesh.staff().post_with_key("k", &path, sent).await;
    assert_eq!((answer.status, answer.str("/message/state")), (200, "STATE_SENT"), "{answer:?}");
    assert!(mesh.staff().get(IN_DOUBT).await.list("messages").is_empty());
    assert_eq!(provider.requests(), 2);
    mesh.finish().await;
}
