//! `SweepDeliveryOutcomes` learns the outcomes of mails from Resend's list of mails, without webhooks.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    DeliveryOutcome, SweepDeliveryOutcomesRequest, SweepDeliveryOutcomesResponse,
};
use levqor_runtime::{
    service::{CapabilityState, Service},
    testing::{Caller, TestService, eventually, refused, violated},
};
use prost_types::Timestamp;

use crate::{ADDRESS_KEY, Notified, fake_mail, fake_mail::FakeMail, welcome};

/// The calls of a sweep that wait.
const CALLS: &str = "runtime.work WHERE rpc LIKE '%/SweepDeliveryOutcomes'";
/// Makes all mails old enough to ask about.
const OLDER: &str = "UPDATE messages SET send_time = send_time - interval '3 minutes'";

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
        notified.execute(OLDER).await;
        (notified, ids)
    }

    async fn sweep(&self) -> SweepDeliveryOutcomesResponse {
        self.sweep_on(SweepDeliveryOutcomesRequest::default()).await
    }

    async fn sweep_on(&self, request: SweepDeliveryOutcomesRequest) -> SweepDeliveryOutcomesResponse {
        let request = Caller::service("notifications", "notifications").request(request);
        self.client().sweep_delivery_outcomes(request).await.expect("swept").into_inner()
    }

    async fn knows(&self, id: &str, outcome: DeliveryOutcome) {
        eventually("the outcome is known", || async {
            (self.message(id).await.delivery_outcome() == outcome).then_some(())
        })
        .await;
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
async fn a_bounce_in_the_list_suppresses_after_three_mails_and_for_a_limited_time() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 0).await;
    for n in 0..3 {
        assert_eq!(notified.count("suppressions").await, 0, "{n}");
        let key = n.to_string();
        notified.sent(&key, welcome(&key, "ada@example.com")).await;
        provider.becomes(n, "bounced");
        notified.execute(OLDER).await;
        assert_eq!(notified.sweep().await.outcomes, 1);
    }
    let soft = "suppressions WHERE reason = 'SOFT_BOUNCES' AND until_time IS NOT NULL";
    assert_eq!(notified.count(soft).await, 1);
    assert_eq!(notified.count("suppressions").await, 1);
}

#[tokio::test]
async fn a_page_has_100_mails_and_it_asks_for_none_if_all_is_known() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    // With ours there are 200 mails. The provider refuses a request for more than 100 at once.
    provider.lists_others(199);
    provider.becomes(0, "delivered");
    let swept = notified.sweep().await;
    assert_eq!((swept.pages, swept.outcomes), (2, 1));
    assert_eq!(notified.message(&ids[0]).await.delivery_outcome(), DeliveryOutcome::Delivered);
    notified.sent("later", welcome("later", "ada@example.com")).await;
    assert_eq!(notified.sweep().await.pages, 0, "the other is too young");
}

#[tokio::test]
async fn a_schedule_makes_outcomes_known_within_ten_minutes() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    provider.becomes(0, "delivered");
    notified.advance(TimeDelta::minutes(7)).await;
    notified.knows(&ids[0], DeliveryOutcome::Delivered).await;
}

#[tokio::test]
async fn a_sweep_of_many_pages_continues_in_further_calls_until_it_knows_the_oldest_mail() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    provider.lists_others(3_100);
    // 32 pages.
    provider.becomes(0, "delivered");
    let swept = notified.sweep().await;
    assert_eq!((swept.pages, swept.outcomes), (10, 0));
    notified.knows(&ids[0], DeliveryOutcome::Delivered).await;
}

#[tokio::test]
async fn a_sweep_ends_after_its_pages_and_its_time() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 1).await;
    provider.lists_others(200);
    let last = SweepDeliveryOutcomesRequest { pages: 299, ..Default::default() };
    assert_eq!(notified.sweep_on(last).await.pages, 1);
    let begin_time = Some(Timestamp { seconds: 0, nanos: 0 });
    let old = SweepDeliveryOutcomesRequest { begin_time, ..Default::default() };
    assert_eq!(notified.sweep_on(old).await.pages, 0);
    assert_eq!(notified.count(CALLS).await, 0, "no call continues it");
    let more = SweepDeliveryOutcomesRequest { pages: 301, after: "a b".to_owned(), begin_time: None };
    let request = Caller::service("notifications", "notifications").request(more);
    let status = refused(notified.client().sweep_delivery_outcomes(request).await);
    assert_eq!(violated(&status), ["after", "pages"]);
}

#[tokio::test]
async fn a_campaign_does_not_delay_a_sweep() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 1).await;
    provider.becomes(0, "delivered");
    // The next slot is too far away for marketing, which tries again in an hour.
    let campaign = "UPDATE provider_paces SET next_slot_time = runtime.now() + interval '800 milliseconds',
                                              next_marketing_try_time = runtime.now() + interval '1 hour'";
    notified.execute(campaign).await;
    assert_eq!(notified.sweep().await.outcomes, 1);
}

#[tokio::test]
async fn a_sweep_that_gets_no_slot_continues_when_there_is_one() {
    let provider = FakeMail::start();
    let (notified, ids) = Notified::without_webhooks(&provider, 1).await;
    provider.becomes(0, "delivered");
    notified.execute("UPDATE provider_paces SET next_slot_time = runtime.now() + interval '1 minute'").await;
    let requests = provider.requests();
    assert_eq!(notified.sweep().await.pages, 0);
    assert_eq!(provider.requests(), requests, "it shares the pace of mails");
    notified.advance(TimeDelta::minutes(1)).await;
    notified.knows(&ids[0], DeliveryOutcome::Delivered).await;
}

#[tokio::test]
async fn a_mail_that_was_sent_after_days_is_looked_up_at_the_provider() {
    let provider = FakeMail::start();
    let (notified, _) = Notified::without_webhooks(&provider, 1).await;
    provider.becomes(0, "delivered");
    notified.execute("UPDATE messages SET create_time = create_time - interval '4 days'").await;
    assert_eq!(notified.sweep().await.outcomes, 1);
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
