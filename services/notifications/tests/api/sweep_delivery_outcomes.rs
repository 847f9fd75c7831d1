//! `SweepDeliveryOutcomes` learns the outcomes of mails from Resend's list of mails, without webhooks.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    DeliveryOutcome, SweepDeliveryOutcomesRequest, SweepDeliveryOutcomesResponse,
};
use levqor_runtime::{
    service::{CapabilityState, Service},
    testing::{Caller, TestService},
};

use crate::{ADDRESS_KEY, Notified, fake_mail, fake_mail::FakeMail, welcome};

impl Notified {
    /// Starts the service without a webhook secret. It has sent the given number of mails, which are old enough to ask about.
    async fn without_webhooks(provider: &FakeMail, mails: usize) -> (Self, Vec<String>) {
        let url = provider.url();
        let settings = [
            ADDRESS_KEY,
            ("RESEND_API_KEY", fake_mail::API_KEY),
            ("RESEND_API_BASE", url.as_str()),
            ("RESEND_RATE", "100"),
        ];
        let notified = Self { service: TestService::start(&settings).await };
        notified.outlive_slot("sweep_delivery_outcomes", "SweepDeliveryOutcomes").await;
        let mut ids = Vec::new();
        for n in 0..mails {
            let key = n.to_string();
            ids.push(notified.sent(&key, welcome(&key, &format!("{key}@example.com"))).await.message_id);
        }
        notified.execute("UPDATE messages SET create_time = create_time - interval '3 minutes'").await;
        (notified, ids)
    }

    async fn sweep(&self) -> SweepDeliveryOutcomesResponse {
        let request =
            Caller::service("notifications", "notifications").request(SweepDeliveryOutcomesRequest {});
        self.client().sweep_delivery_outcomes(request).await.expect("swept").into_inner()
    }

    fn suppressions_capability(&self) -> (CapabilityState, String) {
        let capabilities = self.service.running.service.capabilities();
        let known = capabilities.into_iter().find(|it| it.name == "suppressions").expect("the capability");
        (known.state, known.reason)
    }
}

#[tokio::test]
async fn the_list_of_mails_has_the_outcome_of_each_mail() {
    use DeliveryOutcome::{BouncedHard, Complained, Delayed, Delivered, Unspecified};
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 5).await;
    for (n, event) in ["delivered", "bounced", "complained", "delivery_delayed"].into_iter().enumerate() {
        provider.becomes(n, event);
    }
    let swept = notified.sweep().await;
    assert_eq!((swept.pages, swept.outcomes), (1, 4));
    for (id, outcome) in ids.iter().zip([Delivered, BouncedHard, Complained, Delayed, Unspecified]) {
        assert_eq!(notified.message(id).await.delivery_outcome(), outcome);
    }
    assert_eq!(notified.count("suppressions WHERE reason = 'COMPLAINT'").await, 1);
    assert_eq!(notified.count("suppressions").await, 1, "the list does not say whether the address is dead");
    // The sweep asks again about a delayed mail, and not about mails with a final outcome.
    provider.becomes(3, "delivered");
    assert_eq!(notified.sweep().await.outcomes, 1);
    assert_eq!(notified.suppressions_capability().0, CapabilityState::On);
}

#[tokio::test]
async fn what_the_list_calls_bounced_suppresses_after_three_mails_and_for_a_while_only() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 0).await;
    for n in 0..3 {
        assert_eq!(notified.count("suppressions").await, 0, "{n}");
        let key = n.to_string();
        notified.sent(&key, welcome(&key, "ada@example.com")).await;
        provider.becomes(n, "bounced");
        notified.execute("UPDATE messages SET create_time = create_time - interval '3 minutes'").await;
        assert_eq!(notified.sweep().await.outcomes, 1);
    }
    let soft = "suppressions WHERE reason = 'SOFT_BOUNCES' AND until_time IS NOT NULL";
    assert_eq!(notified.count(soft).await, 1);
    assert_eq!(notified.count("suppressions").await, 1);
}

#[tokio::test]
async fn it_asks_for_as_many_pages_as_it_needs_and_for_none_if_all_is_known() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    for n in 0..150 {
        notified.sent(&format!("later-{n}"), welcome(&format!("later-{n}"), "ada@example.com")).await;
    }
    provider.becomes(0, "delivered");
    let swept = notified.sweep().await;
    assert_eq!((swept.pages, swept.outcomes), (2, 1));
    assert_eq!(notified.message(&ids[0]).await.delivery_outcome(), DeliveryOutcome::Delivered);
    assert_eq!(notified.sweep().await.pages, 0, "the others are too young");
}

#[tokio::test]
async fn a_schedule_makes_outcomes_known_within_ten_minutes() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    provider.becomes(0, "delivered");
    notified.advance(TimeDelta::minutes(7)).await;
    levqor_runtime::testing::eventually("the outcome is known", || async {
        let outcome = notified.message(&ids[0]).await.delivery_outcome();
        (outcome == DeliveryOutcome::Delivered).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_that_may_not_list_fails_the_capability_and_not_the_sweep() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 1).await;
    provider.refuse_list(401);
    assert_eq!(notified.sweep().await.pages, 0);
    let (state, why) = notified.suppressions_capability();
    assert_eq!(state, CapabilityState::Failed);
    assert!(why.contains("the list of mails is refused with 401"), "{why}");
}
