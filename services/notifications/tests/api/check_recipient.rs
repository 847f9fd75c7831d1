//! `CheckRecipient`: a service learns that a series of advertising is over, and nothing more.

use levqor_proto_mail::v1::{Category, CheckRecipientRequest, CheckRecipientResponse};
use levqor_runtime::testing::Caller;
use tonic::Status;

use crate::{Notified, refused, violated};

const ADA: &str = "ada@example.com";

impl Notified {
    async fn check(&self, recipient: &str, category: Category) -> Result<CheckRecipientResponse, Status> {
        let request = CheckRecipientRequest { recipient: recipient.to_owned(), category: category.into() };
        let billing = Caller::service("billing", "notifications");
        Ok(self.mail().check_recipient(billing.request(request)).await?.into_inner())
    }
}

#[tokio::test]
async fn advertising_is_allowed_from_a_yes_until_a_no() {
    let notified = Notified::start().await;
    let answer = async |category| {
        let answer = notified.check(ADA, category).await.expect("an answer");
        (answer.allowed, answer.reason)
    };
    let (tips, offers) = (Category::EducationalContent, Category::OffersPromotions);
    assert_eq!(answer(tips).await, (false, "NO_PERMISSION".to_owned()));
    notified.choose(ADA, "category=EDUCATIONAL_CONTENT").await.expect("a page");
    assert_eq!(answer(tips).await, (true, String::new()));
    assert_eq!(answer(offers).await, (false, "NO_PERMISSION".to_owned()));
    notified.suppress("OBJECTION").await;
    assert_eq!(answer(tips).await, (false, "OBJECTION".to_owned()));
    notified.choose(ADA, "").await.expect("a page");
    notified.execute("DELETE FROM suppressions").await;
    assert_eq!(answer(tips).await, (false, "PERMISSION_WITHDRAWN".to_owned()));
}

#[tokio::test]
async fn it_is_asked_about_advertising_to_an_address() {
    let notified = Notified::start().await;
    let status = refused(notified.check("ada", Category::Orders).await);
    assert_eq!(violated(&status), ["recipient", "category"]);
}
