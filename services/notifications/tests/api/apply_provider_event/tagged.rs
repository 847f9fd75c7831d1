//! An event whose tag names a message is the evidence that the message was sent, if the provider's answer was lost.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    OperatorNotice, ResolveMessageRequest,
    message::State,
    operator_notice::State as NoticeState,
    resolve_message_request::{Resolution, SendAgain},
};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::{Value, json};

use super::overtaking::{delivered, in_doubt};
use crate::{
    EventState, Notified,
    fake_mail::{
        Behaviour::{AcceptAndCut, AcceptSlowly},
        FakeMail,
        webhooks::{Webhook, event},
    },
    welcome,
};

/// The notice about this message, once it has this state.
async fn notice(notified: &Notified, id: &str, state: NoticeState) -> OperatorNotice {
    let about = format!("message:{id}");
    eventually("the notice has the state", || async {
        let notices = notified.notices().await;
        notices.into_iter().find(|notice| notice.about == about && notice.state() == state)
    })
    .await
}

#[tokio::test]
async fn an_event_ends_the_doubt_about_its_message_and_the_notice_of_it() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let (id, at_provider) = in_doubt(&provider, &notified).await;
    notice(&notified, &id, NoticeState::Open).await;
    let webhook = provider.tell(0, "email.delivered", 0, &Value::Null);
    let event = notified.told(&webhook, EventState::Applied).await;
    assert_eq!(event.message_id, id);
    let message = notified.message(&id).await;
    assert_eq!((message.state(), message.doubt.as_str()), (State::Sent, ""));
    assert_eq!((message.provider.as_str(), message.provider_message_id), ("resend", at_provider));
    delivered(&notified, &id).await;
    notice(&notified, &id, NoticeState::Ended).await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Sent);
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn an_event_settles_a_message_that_waits_for_its_next_attempt() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([AcceptAndCut]);
    let id = notified.pending().await;
    notified.deliver_in_vain(&id, "cut").await;
    notified.told(&provider.tell(0, "email.delivered", 0, &Value::Null), EventState::Applied).await;
    assert_eq!(notified.message(&id).await.state(), State::Sent);
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Sent);
    assert_eq!(provider.requests(), 1, "the provider is not asked again");
}

#[tokio::test]
async fn an_event_that_precedes_an_answer_that_never_arrives_is_applied_half_a_minute_later() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    provider.next([AcceptSlowly(std::time::Duration::from_mins(1))]);
    let id = notified.pending().await;
    let delivery = notified.deliver(&id);
    let meanwhile = async {
        eventually("the provider has the mail", || async { (provider.accepted().len() == 1).then_some(()) })
            .await;
        let webhook = provider.tell(0, "email.delivered", 0, &Value::Null);
        notified.told(&webhook, EventState::AwaitingMessage).await;
        provider.refuse_connections();
        provider.take_connections();
        webhook
    };
    let (state, webhook) = tokio::join!(delivery, meanwhile);
    assert_eq!(state.expect("an answer"), State::InDoubt);
    notified.service.advance(TimeDelta::seconds(31)).await;
    notified.told(&webhook, EventState::Applied).await;
    assert_eq!(notified.message(&id).await.state(), State::Sent);
}

#[tokio::test]
async fn a_tag_of_another_round_of_an_unknown_message_or_of_an_erased_person_settles_nothing() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let (id, _) = in_doubt(&provider, &notified).await;
    let nobody = "0190b2c4-0000-7000-8000-000000000000_1";
    let other_round = format!("{id}_2");
    for tag in [nobody, other_round.as_str(), "staging"] {
        let tags = json!({"tags": {"levqor_message": tag}});
        let webhook = Webhook::of(&event("email.delivered", tag, 0, &tags).to_string());
        notified.told(&webhook, EventState::AwaitingMessage).await;
    }
    assert_eq!(notified.message(&id).await.state(), State::InDoubt);

    provider.next([AcceptAndCut]);
    let again = ResolveMessageRequest {
        message_id: id.clone(),
        resolution: Some(Resolution::SendAgain(SendAgain {})),
    };
    let staff = Caller::staff().with_key("a");
    notified.client().resolve_message(staff.request(again)).await.expect("resolved");
    eventually("it is in doubt again", || async {
        let again = provider.requests() == 2 && notified.message(&id).await.state() == State::InDoubt;
        again.then_some(())
    })
    .await;
    notified.told(&provider.tell(0, "email.delivered", 0, &Value::Null), EventState::AwaitingMessage).await;
    assert_eq!(
        notified.message(&id).await.state(),
        State::InDoubt,
        "the first mail says nothing of the second"
    );

    notified.execute("UPDATE messages SET recipient = NULL").await;
    notified.told(&provider.tell(1, "email.delivered", 0, &Value::Null), EventState::AwaitingMessage).await;
    assert_eq!(notified.message(&id).await.state(), State::InDoubt);
}

#[tokio::test]
async fn each_mail_has_a_tag_without_personal_data() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.sent("a", welcome("1", "ada@example.com")).await.message_id;
    let tags = json!([{"name": "levqor_message", "value": format!("{id}_1")}]);
    assert_eq!(provider.accepted()[0].tags, tags);
}
