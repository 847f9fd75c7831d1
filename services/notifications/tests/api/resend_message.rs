//! `ResendMessage`: staff send a failed message again, as the same message under a new key. The audit names the person.

use levqor_proto_notifications::v1::{Message, ResendMessageRequest, message::State};
use levqor_runtime::testing::{Caller, eventually};
use tonic::{Code, Status};

use crate::{
    Notified, UNKNOWN_ID,
    fake_mail::{
        Behaviour::{AcceptAndCut, Fail},
        FakeMail,
    },
    reason, refused, violated, welcome,
};

impl Notified {
    async fn resend(&self, caller: &Caller, id: &str) -> Result<Message, Status> {
        let request = ResendMessageRequest { message_id: id.to_owned() };
        let answer = self.client().resend_message(caller.request(request)).await?.into_inner();
        Ok(answer.message.expect("a message"))
    }

    /// A message that the provider refused permanently.
    async fn failed(&self, provider: &FakeMail) -> String {
        provider.next([Fail(422)]);
        let id = self.pending().await;
        assert_eq!(self.deliver(&id).await.expect("an answer"), State::Failed);
        id
    }

    async fn comes_to(&self, id: &str, state: State) -> Message {
        eventually("it comes to that state", || async {
            let message = self.message(id).await;
            (message.state() == state).then_some(message)
        })
        .await
    }
}

fn staff(key: &str) -> Caller {
    Caller::staff().with_key(key)
}

#[tokio::test]
async fn a_failed_message_is_sent_again_as_the_same_message_under_a_new_key() {
    for (provider, hours) in [(FakeMail::start(), "24"), (FakeMail::start_ignoring_keys(), "0")] {
        let notified = Notified::start_with(&provider, hours).await;
        let id = notified.failed(&provider).await;
        // A message that fails a second time can be sent again, too.
        provider.next([Fail(422)]);
        let message = notified.resend(&staff("a"), &id).await.expect("sent again");
        assert_eq!((message.state(), message.failure.as_str()), (State::Pending, ""));
        notified.comes_to(&id, State::Failed).await;
        notified.resend(&staff("b"), &id).await.expect("sent again");
        let message = notified.comes_to(&id, State::Sent).await;
        let [mail] = provider.accepted().try_into().expect("one mail");
        assert_eq!(mail.key, Some(format!("{id}/3")));
        assert_eq!(message.provider_message_id, mail.id);
        assert_eq!(provider.requests(), 3);
        let again = ("message.resend".to_owned(), id.clone());
        assert_eq!(notified.audited().await, [again.clone(), again]);
    }
}

#[tokio::test]
async fn a_resent_message_has_the_sender_of_todays_settings() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Fail(422)]);
    let id = notified.pending().await;
    // Simulates a message that was stored with another value of LEVQOR_MAIL_FROM.
    notified.execute("UPDATE messages SET sender = 'Levqor <orders@mistyped.example>'").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
    notified.resend(&staff("a"), &id).await.expect("sent again");
    notified.comes_to(&id, State::Sent).await;
    let senders: Vec<_> = provider.accepted().into_iter().map(|mail| mail.from).collect();
    assert_eq!(senders, ["Levqor <orders@levqor.ai>"]);
}

#[tokio::test]
async fn resending_a_message_does_not_renew_its_request() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Fail(422)]);
    let first = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    notified.comes_to(&first, State::Failed).await;
    notified.resend(&staff("a"), &first).await.expect("sent again");
    notified.comes_to(&first, State::Sent).await;
    let again = notified.send("b", welcome("1", "ada@example.com")).await.expect("known");
    assert_eq!((again.message_id, again.duplicate), (first, true));
    assert_eq!(provider.accepted().len(), 1);
}

#[tokio::test]
async fn a_pending_message_and_one_in_doubt_cannot_be_resent() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let pending = notified.pending().await;
    provider.next([AcceptAndCut]);
    let doubtful = notified.pending().await;
    assert_eq!(notified.deliver(&doubtful).await.expect("an answer"), State::InDoubt);
    for (key, id) in [("a", &pending), ("c", &doubtful)] {
        let status = refused(notified.resend(&staff(key), id).await);
        let told = (status.code(), reason(&status));
        assert_eq!(told, (Code::FailedPrecondition, "MESSAGE_NOT_SETTLED".to_owned()));
    }
    assert_eq!(reason(&refused(notified.resend(&staff("d"), UNKNOWN_ID).await)), "MESSAGE_NOT_FOUND");
    assert_eq!(violated(&refused(notified.resend(&staff("e"), "1").await)), ["message_id"]);
    assert_eq!((provider.requests(), notified.audited().await.len()), (1, 0));
}

#[tokio::test]
async fn a_message_that_was_sent_is_sent_again_as_a_copy_and_keeps_its_evidence() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let first = notified.sent("a", welcome("1", "ada@example.com")).await;
    let copy = notified.resend(&staff("b"), &first.message_id).await.expect("sent again");
    assert_eq!((copy.state(), copy.about), (State::Pending, format!("order:1:again:{}", copy.message_id)));
    notified.comes_to(&copy.message_id, State::Sent).await;
    let [one, two] = provider.accepted().try_into().expect("two mails");
    assert_eq!((&one.subject, &one.html, &one.to), (&two.subject, &two.html, &two.to));
    assert_ne!(one.key, two.key);
    assert!(notified.message(&first.message_id).await == first, "the first keeps its evidence");
    assert_eq!(notified.audited().await, [("message.resend".to_owned(), first.message_id)]);
}

#[tokio::test]
async fn a_suppressed_message_is_sent_again_only_to_somebody_who_may_get_it() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.pending().await;
    notified.execute("UPDATE messages SET state = 'SUPPRESSED', suppression = 'STAFF'").await;
    notified
        .execute(
            "INSERT INTO suppressions (suppression_id, recipient_hash, reason, create_time)
             SELECT gen_random_uuid(), recipient_hash, 'HARD_BOUNCE', runtime.now() FROM messages",
        )
        .await;
    notified.resend(&staff("a"), &id).await.expect("sent again");
    notified.comes_to(&id, State::Suppressed).await;
    notified.execute("DELETE FROM suppressions").await;
    notified.resend(&staff("b"), &id).await.expect("sent again");
    notified.comes_to(&id, State::Sent).await;
    assert_eq!(provider.accepted().len(), 1);
}

#[tokio::test]
async fn a_message_to_an_erased_person_is_not_sent_again() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.failed(&provider).await;
    notified.execute("UPDATE messages SET recipient = NULL").await;
    let status = refused(notified.resend(&staff("a"), &id).await);
    assert_eq!((status.code(), reason(&status)), (Code::FailedPrecondition, "RECIPIENT_ERASED".to_owned()));
}

#[tokio::test]
async fn the_same_key_sends_again_once() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.failed(&provider).await;
    provider.next([Fail(422)]);
    let first = notified.resend(&staff("once"), &id).await.expect("sent again");
    notified.comes_to(&id, State::Failed).await;
    let again = notified.resend(&staff("once"), &id).await.expect("remembered");
    assert!(first == again);
    let status = refused(notified.resend(&Caller::staff(), &id).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_INVALID");
    assert_eq!((provider.requests(), notified.audited().await.len()), (2, 1));
}
