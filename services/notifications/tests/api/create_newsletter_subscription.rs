//! `CreateNewsletterSubscription`: an address is asked before it gets anything, the answer is always the same, and no address is asked
//! too often.

use levqor_proto_notifications::v1::{
    CreateNewsletterSubscriptionRequest, CreateNewsletterSubscriptionResponse, NewsletterCategory,
};
use levqor_runtime::testing::{Caller, eventually, has_word};
use tonic::{Code, Status};

use crate::{Notified, fake_mail::FakeMail, refused, violated};

impl Notified {
    /// Enters an address for tips.
    pub(crate) async fn enter(
        &self,
        email: &str,
        categories: &[NewsletterCategory],
    ) -> Result<CreateNewsletterSubscriptionResponse, Status> {
        let request = CreateNewsletterSubscriptionRequest {
            email: email.to_owned(),
            categories: categories.iter().map(|category| (*category).into()).collect(),
            source: "footer".to_owned(),
            shown_text: "Get our tips.".to_owned(),
        };
        let anybody = Caller::anonymous().request(request);
        Ok(self.consent().create_newsletter_subscription(anybody).await?.into_inner())
    }
}

pub(crate) const TIPS: [NewsletterCategory; 1] = [NewsletterCategory::EducationalContent];

/// The token in the link of a mail that requests a confirmation.
pub(crate) fn token_in(text: &str) -> String {
    let link = text.split("/newsletter/confirm/").nth(1).expect("a link");
    link.split_whitespace().next().expect("a token").to_owned()
}

#[tokio::test]
async fn an_address_gets_no_newsletter_before_its_confirmation() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    notified.enter("Ada@Example.com", &TIPS).await.expect("an answer");
    eventually("the question is sent", || async { (provider.accepted().len() == 1).then_some(()) }).await;
    let question = provider.accepted().remove(0);
    assert_eq!(question.to, "ada@example.com");
    assert!(question.text.contains("Tips and examples") && question.headers.is_null(), "{}", question.text);
    assert!(!has_word(&token_in(&question.text), "ada"));
    assert!(notified.ticked("ada@example.com").await.is_empty());
    let kept = "newsletter_subscriptions WHERE source = 'footer' AND shown_text = 'Get our tips.'
                AND expire_time = create_time + interval '24 hours' AND confirm_time IS NULL";
    assert_eq!(notified.count(kept).await, 1);
}

#[tokio::test]
async fn an_address_is_asked_three_times_a_day_at_most_and_the_answer_is_the_same() {
    let notified = Notified::start().await;
    for _ in 0..5 {
        let answer = notified.enter("ada@example.com", &TIPS).await.expect("an answer");
        assert_eq!(answer, CreateNewsletterSubscriptionResponse::default());
    }
    assert_eq!(notified.count("newsletter_subscriptions").await, 3);
    // A recipient of the newsletter is not asked to confirm.
    notified.choose("bob@example.com", "category=EDUCATIONAL_CONTENT").await.expect("a page");
    notified.enter("bob@example.com", &TIPS).await.expect("an answer");
    assert_eq!(notified.count("newsletter_subscriptions").await, 3);
    assert_eq!(notified.ticked("bob@example.com").await, ["EDUCATIONAL_CONTENT"], "it stays confirmed");
}

#[tokio::test]
async fn an_address_and_a_category_are_needed() {
    let notified = Notified::start().await;
    let status = refused(notified.enter("ada", &[]).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violated(&status), ["email", "categories"]);
}
