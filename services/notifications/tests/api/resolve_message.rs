//! `ResolveMessage`: a person resolves a doubt. The audit names the person.

use levqor_proto_notifications::v1::{
    Message, ResolveMessageRequest,
    message::State,
    resolve_message_request::{Abandoned, Resolution, SendAgain, Sent},
};
use levqor_runtime::testing::{Caller, eventually};
use tonic::{Code, Status};

use crate::{
    Notified, UNKNOWN_ID,
    fake_mail::{Behaviour::AcceptAndCut, FakeMail},
    reason, refused, violated,
};

fn sent(id: &str) -> Resolution {
    Resolution::Sent(Sent { provider_message_id: id.to_owned() })
}

const SEND_AGAIN: Resolution = Resolution::SendAgain(SendAgain {});
const ABANDONED: Resolution = Resolution::Abandoned(Abandoned {});

impl Notified {
    async fn resolve(&self, caller: &Caller, id: &str, resolution: Resolution) -> Result<Message, Status> {
        let request = ResolveMessageRequest { message_id: id.to_owned(), resolution: Some(resolution) };
        let answer = self.client().resolve_message(caller.request(request)).await?.into_inner();
        Ok(answer.message.expect("a message"))
    }

    /// A message that the provider took although its answer was lost.
    async fn in_doubt(&self, provider: &FakeMail) -> String {
        provider.next([AcceptAndCut]);
        let id = self.pending().await;
        assert_eq!(self.deliver(&id).await.expect("an answer"), State::InDoubt);
        id
    }
}

fn staff(key: &str) -> Caller {
    Caller::staff().with_key(key)
}

async fn start() -> (FakeMail, Notified) {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    (provider, notified)
}

#[tokio::test]
async fn a_mail_that_the_provider_has_becomes_sent_with_its_id_as_evidence() {
    let (provider, notified) = start().await;
    let id = notified.in_doubt(&provider).await;
    let at_provider = provider.accepted()[0].id.clone();
    let message = notified.resolve(&staff("a"), &id, sent(&at_provider)).await.expect("resolved");
    assert_eq!((message.state(), message.doubt.as_str()), (State::Sent, ""));
    assert_eq!((message.provider.as_str(), message.provider_message_id), ("resend", at_provider));
    assert!(message.send_time.is_some());
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Sent);
    assert_eq!(provider.requests(), 1);
    assert_eq!(notified.audited().await, [("message.resolve_sent".to_owned(), id)]);
}

#[tokio::test]
async fn operators_get_a_notice_of_a_mail_in_doubt_until_it_is_resolved_except_of_their_own_mails() {
    let (provider, notified) = start().await;
    let id = notified.in_doubt(&provider).await;
    let told = eventually("operators are told", || async { notified.notices().await.pop() }).await;
    let expected = ("MAIL_IN_DOUBT", format!("message:{id}"), None);
    assert_eq!((told.kind.as_str(), told.about, told.end_time), expected);
    notified.resolve(&staff("a"), &id, ABANDONED).await.expect("resolved");
    eventually("it is over", || async { notified.notices().await.pop()?.end_time }).await;

    provider.next([AcceptAndCut]);
    let own = notified.pending().await;
    let to_operators = "UPDATE messages SET template = 'operator_notice' WHERE message_id =";
    notified.execute(&format!("{to_operators} '{own}'")).await;
    assert_eq!(notified.deliver(&own).await.expect("an answer"), State::InDoubt);
    // One statement: a notice waits to be made, or was made.
    let of_own = format!(
        "(SELECT 1 FROM runtime.work WHERE idempotency_key LIKE 'mail-in-doubt:{own}:%'
          UNION ALL SELECT 1 FROM operator_notices WHERE about = 'message:{own}') AS told"
    );
    assert_eq!(notified.count(&of_own).await, 0);
}

#[tokio::test]
async fn a_resent_mail_has_a_new_key() {
    let (provider, notified) = start().await;
    let id = notified.in_doubt(&provider).await;
    provider.next([AcceptAndCut]);
    notified.resolve(&staff("a"), &id, SEND_AGAIN).await.expect("resolved");
    let doubt_again = || async {
        let again = provider.requests() == 2 && notified.message(&id).await.state() == State::InDoubt;
        again.then_some(())
    };
    eventually("it is in doubt again", doubt_again).await;
    let message = notified.resolve(&staff("b"), &id, SEND_AGAIN).await.expect("resolved");
    assert_eq!(message.state(), State::Pending);
    eventually("it is sent", || async { (notified.message(&id).await.state() == State::Sent).then_some(()) })
        .await;
    let keys: Vec<_> = provider.accepted().into_iter().filter_map(|mail| mail.key).collect();
    assert_eq!(keys, [id.clone(), format!("{id}/2"), format!("{id}/3")]);
    let again = ("message.resolve_send_again".to_owned(), id);
    assert_eq!(notified.audited().await, [again.clone(), again]);
}

#[tokio::test]
async fn a_resent_mail_has_the_sender_of_todays_settings() {
    let (provider, notified) = start().await;
    provider.next([AcceptAndCut]);
    let id = notified.pending().await;
    let old = "Levqor <orders@old.example>";
    notified.execute("UPDATE messages SET sender = 'Levqor <orders@old.example>'").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    notified.resolve(&staff("a"), &id, SEND_AGAIN).await.expect("resolved");
    eventually("it is sent", || async { (notified.message(&id).await.state() == State::Sent).then_some(()) })
        .await;
    let senders: Vec<_> = provider.accepted().into_iter().map(|mail| mail.from).collect();
    assert_eq!(senders, [old, "Levqor <orders@levqor.ai>"]);
}

#[tokio::test]
async fn a_message_that_is_given_up_has_failed() {
    let (provider, notified) = start().await;
    let id = notified.in_doubt(&provider).await;
    let message = notified.resolve(&staff("a"), &id, ABANDONED).await.expect("resolved");
    assert_eq!(message.state(), State::Failed);
    assert_eq!(message.failure, "given up by a person while it was in doubt");
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
    assert_eq!(notified.audited().await, [("message.resolve_abandoned".to_owned(), id)]);
}

#[tokio::test]
async fn only_a_message_in_doubt_is_resolved() {
    let (provider, notified) = start().await;
    let pending = notified.pending().await;
    let resolved = notified.in_doubt(&provider).await;
    notified.resolve(&staff("a"), &resolved, ABANDONED).await.expect("resolved");
    for (key, id) in [("b", &pending), ("c", &resolved)] {
        let status = refused(notified.resolve(&staff(key), id, SEND_AGAIN).await);
        let told = (status.code(), reason(&status));
        assert_eq!(told, (Code::FailedPrecondition, "MESSAGE_NOT_IN_DOUBT".to_owned()));
    }
    let status = refused(notified.resolve(&staff("d"), UNKNOWN_ID, SEND_AGAIN).await);
    assert_eq!(reason(&status), "MESSAGE_NOT_FOUND");
    assert_eq!((provider.requests(), notified.audited().await.len()), (1, 1));
}

#[tokio::test]
async fn the_same_key_resolves_once() {
    let (provider, notified) = start().await;
    let id = notified.in_doubt(&provider).await;
    let first = notified.resolve(&staff("once"), &id, SEND_AGAIN).await.expect("resolved");
    let again = notified.resolve(&staff("once"), &id, SEND_AGAIN).await.expect("remembered");
    assert!(first == again);
    let status = refused(notified.resolve(&staff("once"), &id, ABANDONED).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED");
    let status = refused(notified.resolve(&Caller::staff(), &id, ABANDONED).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_INVALID");
    assert_eq!(notified.audited().await.len(), 1);
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let (_provider, notified) = start().await;
    for id in ["", "with space", &"x".repeat(201)] {
        let status = refused(notified.resolve(&staff("a"), "1", sent(id)).await);
        assert_eq!(violated(&status), ["message_id", "sent.provider_message_id"], "{id}");
    }
    let nothing = ResolveMessageRequest { message_id: UNKNOWN_ID.to_owned(), resolution: None };
    let answer = notified.client().resolve_message(staff("b").request(nothing)).await;
    assert_eq!(violated(&refused(answer)), ["resolution"]);
}
