//! `DeliverMessage`: however often, and whatever breaks on the way, a mail is with the provider once.

use levqor_notifications::{
    domain::message::Mail,
    provider::{Provider, mailbox::Mailbox},
};
use levqor_proto::notifications::v1::{DeliverMessageRequest, message::State};
use levqor_runtime::testing::eventually;
use sqlx::Row;
use tonic::Code;

use crate::{Notified, UNKNOWN_ID, assert_access, reason, refused, welcome};

/// What a crash leaves behind that comes after a provider's answer and before it is written down.
const FORGET_THE_OUTCOME: &str =
    "UPDATE messages SET state = 'PENDING', provider = NULL, provider_message_id = NULL, send_time = NULL";

#[tokio::test]
async fn a_message_that_was_sent_is_not_sent_again() {
    let notified = Notified::start().await;
    let before = notified.sent("a", welcome("1", "ada@example.com")).await;
    assert_eq!(notified.deliver(&before.message_id).await.expect("an answer"), State::Sent);
    let after = notified.message(&before.message_id).await;
    assert!(after == before, "nothing changed");
    assert_eq!(notified.count("mailbox").await, 1);
}

#[tokio::test]
async fn a_crash_before_the_outcome_is_written_down_sends_no_second_mail() {
    let notified = Notified::start().await;
    let before = notified.sent("a", welcome("1", "ada@example.com")).await;
    notified.execute(FORGET_THE_OUTCOME).await;
    assert_eq!(notified.message(&before.message_id).await.state(), State::Pending);

    assert_eq!(notified.deliver(&before.message_id).await.expect("delivered"), State::Sent);
    let after = notified.message(&before.message_id).await;
    assert_eq!(after.provider_message_id, before.provider_message_id, "the receipt of then");
    assert_eq!(notified.count("mailbox").await, 1);
}

#[tokio::test]
async fn the_mailbox_takes_a_mail_once_and_gives_one_receipt() {
    let notified = Notified::start().await;
    let mailbox = Provider::Mailbox(Mailbox::new(notified.service.db.clone()));
    let mail = |subject: &str| Mail {
        message_id: UNKNOWN_ID.parse().expect("an id"),
        sender: "Levqor <orders@levqor.ai>".to_owned(),
        recipient: "ada@example.com".parse().expect("an address"),
        subject: subject.to_owned(),
        text: "text".to_owned(),
        html: "<p>html</p>".to_owned(),
    };
    let first = mailbox.deliver(&mail("first")).await.expect("taken");
    let second = mailbox.deliver(&mail("second")).await.expect("known");
    assert_eq!(first, second);
    let rows =
        sqlx::query("SELECT subject FROM mailbox").fetch_all(notified.service.db.pool()).await.expect("rows");
    let subjects: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(subjects, ["first"]);
}

#[tokio::test]
async fn ten_deliveries_at_once_are_one_mail() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    notified.execute("DELETE FROM mailbox").await;
    notified.execute(FORGET_THE_OUTCOME).await;
    for state in futures_util::future::join_all((0..10).map(|_| notified.deliver(&id))).await {
        assert_eq!(state.expect("an answer"), State::Sent);
    }
    assert_eq!(notified.count("mailbox").await, 1);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_again() {
    let notified = Notified::start().await;
    notified.execute("ALTER TABLE mailbox RENAME TO unreachable").await;
    let id = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    let status = refused(notified.deliver(&id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "MAIL_PROVIDER_UNAVAILABLE"));
    assert_eq!(notified.message(&id).await.state(), State::Pending);

    notified.execute("ALTER TABLE unreachable RENAME TO mailbox").await;
    eventually("the deferred call comes again", || async {
        (notified.message(&id).await.state() == State::Sent).then_some(())
    })
    .await;
    let attempts: i32 = sqlx::query("SELECT attempts FROM messages")
        .fetch_one(notified.service.db.pool())
        .await
        .expect("row")
        .get(0);
    assert!(attempts >= 2, "every attempt is counted: {attempts}");
}

#[tokio::test]
async fn nothing_is_sent_to_a_person_who_was_erased() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    notified.execute("DELETE FROM mailbox; UPDATE messages SET recipient = NULL").await;
    notified.execute(FORGET_THE_OUTCOME).await;

    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
    let message = notified.message(&id).await;
    assert_eq!(message.failure, "the recipient was erased before the message was sent");
    assert_eq!((message.recipient.as_str(), message.send_time), ("", None));

    let again = notified.send("b", welcome("1", "ada@example.com")).await.expect("known");
    assert_eq!((again.message_id, again.duplicate), (id, true), "the promise outlives the address");
    assert_eq!(notified.count("mailbox").await, 0);
}

#[tokio::test]
async fn the_table_takes_no_sent_without_evidence() {
    let notified = Notified::start().await;
    notified.sent("a", welcome("1", "ada@example.com")).await;
    for damage in [
        "UPDATE messages SET provider_message_id = NULL",
        "UPDATE messages SET send_time = NULL",
        "UPDATE messages SET state = 'PENDING'",
        "UPDATE messages SET state = 'FAILED', provider = NULL, provider_message_id = NULL, send_time = NULL",
        "UPDATE messages SET failure = 'refused'",
        "UPDATE messages SET state = 'DELIVERED'",
    ] {
        let refused = sqlx::query(damage).execute(notified.service.db.pool()).await;
        assert!(refused.is_err(), "{damage}");
    }
}

#[tokio::test]
async fn a_message_that_is_not_there_is_not_found() {
    let notified = Notified::start().await;
    let status = refused(notified.deliver(UNKNOWN_ID).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
    let status = refused(notified.deliver("1").await);
    assert_eq!(crate::violated(&status), ["message_id"]);
}

#[tokio::test]
async fn only_the_service_itself_may_deliver() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    assert_access(&["self"], async |caller| {
        let request = caller.request(DeliverMessageRequest { message_id: id.clone() });
        notified.client().deliver_message(request).await.map(|_| ())
    })
    .await;
}
