//! `DeliverMessage`: the provider has a mail once, after any number of calls and any failure.

mod answers;
mod doubts;
mod frequency;
mod given_up;
mod guard;
mod pace;
mod sequences;
mod smtp;

use levqor_notifications::{
    domain::{
        header::Headers,
        message::{Mail, Receipt},
    },
    provider::{Answer, Provider, mailbox::Mailbox},
};
use levqor_proto_notifications::v1::message::State;
use levqor_runtime::testing::eventually;
use sqlx::Row;
use tonic::Code;

use crate::{Notified, UNKNOWN_ID, reason, refused, welcome};

/// The state after a crash between the provider's answer and the commit of the outcome.
const FORGET_THE_OUTCOME: &str = "
    UPDATE messages SET state = 'PENDING', provider = NULL, provider_message_id = NULL, send_time = NULL, failure = NULL,
                        doubt = NULL;
    UPDATE delivery_attempts SET outcome = NULL, end_time = NULL, begin_time = begin_time - interval '1 minute'";

/// Returns the receipt of an answer, and fails if the answer is another one.
fn receipt(answer: Answer) -> Receipt {
    if let Answer::Accepted(receipt) = answer { receipt } else { panic!("accepted, not {answer:?}") }
}

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
async fn a_crash_before_the_outcome_is_stored_sends_no_second_mail() {
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
        round: 1,
        key: UNKNOWN_ID.to_owned(),
        sender: "Levqor <orders@levqor.ai>".to_owned(),
        reply_to: None,
        recipient: "ada@example.com".parse().expect("an address"),
        headers: Headers::default(),
        subject: subject.to_owned(),
        text: "text".to_owned(),
        html: "<p>html</p>".to_owned(),
    };
    let first = receipt(mailbox.deliver(&mail("first")).await);
    let second = receipt(mailbox.deliver(&mail("second")).await);
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
    for answer in futures_util::future::join_all((0..10).map(|_| notified.deliver(&id))).await {
        let under_way = |status| assert_eq!(reason(&status), "DELIVERY_UNDER_WAY");
        answer.map_or_else(under_way, |state| assert_eq!(state, State::Sent));
    }
    assert_eq!(notified.message(&id).await.state(), State::Sent);
    assert_eq!((notified.count("mailbox").await, notified.count("delivery_attempts").await), (1, 2));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_again() {
    let notified = Notified::start().await;
    notified.execute("ALTER TABLE mailbox RENAME TO unreachable").await;
    let id = notified.pending().await;
    let status = refused(notified.deliver(&id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "MAIL_PROVIDER_UNAVAILABLE"));
    assert_eq!(notified.message(&id).await.state(), State::Pending);
    let id = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    // It may have come again before the attempts are counted.
    eventually("the deferred call fails", || async {
        (notified.count("delivery_attempts").await >= 2).then_some(())
    })
    .await;

    notified.execute("ALTER TABLE unreachable RENAME TO mailbox").await;
    eventually("the deferred call comes again", || async {
        (notified.message(&id).await.state() == State::Sent).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_to_a_person_who_was_erased() {
    let notified = Notified::start().await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    notified.execute("DELETE FROM mailbox; UPDATE messages SET recipient = NULL").await;
    notified.execute(FORGET_THE_OUTCOME).await;

    // A message that the mailbox may have is in doubt. A message that it certainly does not have has failed.
    notified.execute("UPDATE delivery_attempts SET outcome = 'NOT_ACCEPTED', end_time = begin_time").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
    let message = notified.message(&id).await;
    assert_eq!(message.failure, "the recipient was erased before the message was sent");
    assert_eq!((message.recipient.as_str(), message.send_time), ("", None));

    let again = notified.send("b", welcome("1", "ada@example.com")).await.expect("known");
    assert_eq!((again.message_id, again.duplicate), (id, true), "the promise outlives the address");
    assert_eq!(notified.count("mailbox").await, 0);
}

#[tokio::test]
async fn the_table_refuses_the_state_sent_without_evidence() {
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
