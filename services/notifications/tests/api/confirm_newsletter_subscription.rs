//! `ConfirmNewsletterSubscription`: the button confirms once, within 24 hours, and the proof stays.

use levqor_proto_notifications::v1::ConfirmNewsletterSubscriptionRequest;
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{Notified, fake_mail::FakeMail, get_preferences::token_of, reason, refused};

impl Notified {
    async fn confirm(&self, token: &str) -> Result<String, Status> {
        let request = ConfirmNewsletterSubscriptionRequest { token: token.to_owned(), form: None };
        let request = Caller::anonymous().request(request);
        let page = self.consent().confirm_newsletter_subscription(request).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }
}

#[tokio::test]
async fn the_button_confirms_once_and_the_proof_stays() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let token = notified.asked(&provider, "ada@example.com").await;
    for _ in 0..2 {
        let page = notified.confirm(&token).await.expect("a page");
        assert!(page.contains("You are subscribed"), "{page}");
        assert!(page.contains(&format!("/preferences/{}", token_of("ada@example.com"))), "{page}");
    }
    assert_eq!(notified.ticked("ada@example.com").await, ["EDUCATIONAL_CONTENT"]);
    let proofs = "permission_changes JOIN newsletter_subscriptions USING (newsletter_subscription_id)
                  WHERE permission_changes.source = 'double_opt_in' AND change_time = confirm_time";
    assert_eq!(notified.count(proofs).await, 1);
    assert!(notified.confirmation(&token).await.expect("a page").contains("You are subscribed"));
}

#[tokio::test]
async fn after_a_day_the_button_does_not_confirm() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let token = notified.asked(&provider, "ada@example.com").await;
    notified.advance(chrono::TimeDelta::hours(24)).await;
    assert_eq!(reason(&refused(notified.confirm(&token).await)), "LINK_EXPIRED");
    assert_eq!(reason(&refused(notified.confirm(&token_of("ada@example.com")).await)), "LINK_NOT_VALID");
    assert!(notified.ticked("ada@example.com").await.is_empty());
}
