//! `DeliverOperatorNotice`: what becomes of a notice on a channel that refuses it, or that gives no answer.

use levqor_proto_notifications::v1::{
    DeliverOperatorNoticeRequest, OperatorChannel, OperatorDelivery, operator_delivery::State,
};
use levqor_runtime::{
    service::{CapabilityState, Service},
    testing::{Caller, TestService},
};
use tonic::Status;

use crate::{ADDRESS_KEY, Notified, fake_operators::FakeChannels, reason};

/// The worker of the service delivers no notice for a day, so that only the test delivers.
const HOLD_NOTICES: &str = "
    CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.due_time := NEW.due_time + interval '1 day'; RETURN NEW; END $$;
    CREATE TRIGGER held BEFORE INSERT ON runtime.work FOR EACH ROW
    WHEN (NEW.rpc LIKE '%/DeliverOperatorNotice') EXECUTE FUNCTION held()";

impl Notified {
    /// Starts the service with Slack alone, and tells a notice, which the test delivers.
    async fn start_with_slack(channels: &FakeChannels) -> Self {
        let settings = channels.settings();
        let (name, url) = settings.iter().find(|(name, _)| name.starts_with("SLACK")).expect("it is set");
        let notified = Self { service: TestService::start(&[ADDRESS_KEY, (name, url)]).await };
        notified.execute(HOLD_NOTICES).await;
        notified.report(1, "it fails").await.expect("told");
        notified
    }

    /// Delivers the only notice to Slack, as the deferred call does.
    async fn deliver_notice(&self) -> Result<State, Status> {
        let operator_notice_id = self.notices().await[0].operator_notice_id.clone();
        let request =
            DeliverOperatorNoticeRequest { operator_notice_id, channel: OperatorChannel::Slack.into() };
        let own = Caller::service("notifications", "notifications");
        Ok(self.client().deliver_operator_notice(own.request(request)).await?.into_inner().state())
    }

    async fn delivery(&self) -> OperatorDelivery {
        self.notices().await[0].deliveries[0].clone()
    }

    fn slack_state(&self) -> CapabilityState {
        let capabilities = self.service.running.service.capabilities();
        capabilities.into_iter().find(|it| it.name == "operators_slack").expect("it is told of").state
    }
}

#[tokio::test]
async fn a_refusal_is_shown_at_once_and_its_notice_is_sent_after_the_fix() {
    let channels = FakeChannels::start().await;
    channels.next([403]);
    let notified = Notified::start_with_slack(&channels).await;
    let status = notified.deliver_notice().await.expect_err("tried again");
    assert_eq!(reason(&status), "OPERATOR_CHANNEL_UNAVAILABLE");
    let delivery = notified.delivery().await;
    assert_eq!((delivery.state(), delivery.failure.as_str()), (State::Pending, "403"));
    assert_eq!(notified.slack_state(), CapabilityState::Failed);
    assert_eq!(notified.deliver_notice().await.expect("taken"), State::Sent);
    assert_eq!(notified.delivery().await.receipt, "ok");
    assert_eq!(notified.slack_state(), CapabilityState::On);
    assert_eq!(notified.deliver_notice().await.expect("settled"), State::Sent);
    assert_eq!(channels.slack().len(), 2, "a sent notice is not sent again");
}

#[tokio::test]
async fn a_channel_that_never_answers_gets_a_notice_three_times_and_then_it_is_in_doubt() {
    let channels = FakeChannels::start().await;
    channels.next([502, 502, 502]);
    let notified = Notified::start_with_slack(&channels).await;
    for _ in 0..2 {
        let status = notified.deliver_notice().await.expect_err("tried again");
        assert_eq!(reason(&status), "OPERATOR_CHANNEL_UNAVAILABLE");
    }
    assert_eq!(notified.deliver_notice().await.expect("settled"), State::InDoubt);
    assert_eq!(notified.deliver_notice().await.expect("settled"), State::InDoubt);
    assert_eq!(channels.slack().len(), 3);
}
