//! `GetNewsletterConfirmation`: the page shows the topics to confirm, and changes nothing.

use levqor_proto_notifications::v1::GetNewsletterConfirmationRequest;
use levqor_runtime::testing::{Caller, eventually};
use tonic::Status;

use crate::{
    Notified,
    create_newsletter_subscription::{TIPS, token_in},
    fake_mail::FakeMail,
    reason, refused,
};

impl Notified {
    /// Enters an address, and returns the token of the question.
    pub(crate) async fn asked(&self, provider: &FakeMail, address: &str) -> String {
        let before = provider.accepted().len();
        self.enter(address, &TIPS).await.expect("an answer");
        eventually("the question is sent", || async { (provider.accepted().len() > before).then_some(()) })
            .await;
        token_in(&provider.accepted()[before].text)
    }

    pub(crate) async fn confirmation(&self, token: &str) -> Result<String, Status> {
        let request =
            Caller::anonymous().request(GetNewsletterConfirmationRequest { token: token.to_owned() });
        let page = self.consent().get_newsletter_confirmation(request).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }
}

#[tokio::test]
async fn opening_the_page_does_not_confirm_and_after_a_day_there_is_none() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let token = notified.asked(&provider, "ada@example.com").await;
    let page = notified.confirmation(&token).await.expect("a page");
    assert!(page.contains("Tips and examples") && page.contains("Yes, send me these mails"), "{page}");
    assert!(notified.ticked("ada@example.com").await.is_empty());
    notified.advance(chrono::TimeDelta::hours(24)).await;
    assert_eq!(reason(&refused(notified.confirmation(&token).await)), "LINK_EXPIRED");
    assert_eq!(reason(&refused(notified.confirmation("x").await)), "LINK_NOT_VALID");
}
