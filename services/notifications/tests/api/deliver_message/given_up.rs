//! A delivery that is given up leaves no message pending for ever. The message has failed or is in doubt, and its delivery
//! continues when the dead call is replayed.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{ListMessagesRequest, Message, message::State};
use levqor_proto_runtime::v1::{
    ListDeferredCallsRequest, ReplayDeferredCallRequest, deferred_call,
    work_service_client::WorkServiceClient,
};
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    Notified,
    fake_mail::{
        Behaviour::{self, Fail},
        FakeMail,
    },
    welcome,
};

impl Notified {
    /// Sends a message whose delivery fails with `failure` until it is given up.
    async fn given_up(&self, provider: &FakeMail, failure: Behaviour) -> Message {
        // The call may be made again before the test moves the time.
        provider.next([failure; 20]);
        let id = self.send("a", welcome("1", "ada@example.com")).await.expect("stored").message_id;
        eventually("the first try has failed", || async {
            let failed =
                "runtime.work WHERE failure <> '' AND leased_until IS NULL AND rpc LIKE '%/DeliverMessage'";
            (self.count(failed).await == 1).then_some(())
        })
        .await;
        // 24 attempts are as many as three days of retries.
        self.execute("UPDATE runtime.work SET attempts = 24 WHERE rpc LIKE '%/DeliverMessage'").await;
        self.service.advance(TimeDelta::hours(8)).await;
        let dead = "runtime.work WHERE state = 'DEAD' AND rpc LIKE '%/DeliverMessage'";
        eventually("it is given up", || async { (self.count(dead).await == 1).then_some(()) }).await;
        provider.heal();
        // The message is settled in the transaction that makes the call dead, so both changes become visible together.
        self.message(&id).await
    }

    async fn listed(&self, state: State) -> Vec<String> {
        let request = ListMessagesRequest { state: state.into(), ..Default::default() };
        let list = self.client().list_messages(Caller::staff().request(request)).await.expect("a list");
        list.into_inner().messages.into_iter().map(|message| message.message_id).collect()
    }

    async fn replay_the_dead_call(&self) {
        let mut admin = WorkServiceClient::new(self.service.channel());
        let service = "notifications".to_owned();
        let list = ListDeferredCallsRequest {
            service: service.clone(),
            state: deferred_call::State::Dead.into(),
            ..Default::default()
        };
        let dead =
            admin.list_deferred_calls(Caller::admin().request(list)).await.expect("a list").into_inner();
        let [dead] = dead.deferred_calls.try_into().expect("one");
        let replay = ReplayDeferredCallRequest { service, deferred_call_id: dead.deferred_call_id };
        admin.replay_deferred_call(Caller::admin().request(replay)).await.expect("replayed");
    }
}

#[tokio::test]
async fn a_message_whose_delivery_is_given_up_has_failed_and_is_sent_when_the_dead_call_is_replayed() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let message = notified.given_up(&provider, Fail(403)).await;
    assert_eq!(message.state(), State::Failed);
    let why = "its delivery was given up after 25 tries: UNAVAILABLE MAIL_PROVIDER_UNAVAILABLE";
    assert_eq!(message.failure, why);
    assert_eq!(notified.listed(State::Failed).await, [message.message_id.as_str()]);

    // Simulates that a person fixed the cause of the refusal.
    let before = provider.requests();
    notified.replay_the_dead_call().await;
    eventually("it is sent", || async {
        (notified.message(&message.message_id).await.state() == State::Sent).then_some(())
    })
    .await;
    assert_eq!(notified.message(&message.message_id).await.failure, "");
    assert_eq!((provider.accepted().len(), provider.requests()), (1, before + 1));
}

#[tokio::test]
async fn a_message_that_the_provider_may_have_is_in_doubt_after_its_delivery_is_given_up() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let message = notified.given_up(&provider, Fail(503)).await;
    assert_eq!(message.state(), State::InDoubt);
    assert!(message.doubt.contains("given up"), "{}", message.doubt);
    let before = provider.requests();
    notified.replay_the_dead_call().await;
    let settled = "runtime.work WHERE rpc LIKE '%/DeliverMessage'";
    eventually("the replay is answered", || async { (notified.count(settled).await == 0).then_some(()) })
        .await;
    assert_eq!(notified.message(&message.message_id).await.state(), State::InDoubt);
    assert_eq!(provider.requests(), before, "the provider is not asked again");
}

#[tokio::test]
async fn a_refused_message_stays_failed_however_often_its_delivery_is_called() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Fail(403), Fail(422)]);
    let id = notified.pending().await;
    notified.deliver_in_vain(&id, "not accepted").await;
    for _ in 0..2 {
        assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Failed);
    }
    assert_eq!(provider.requests(), 2);
}
