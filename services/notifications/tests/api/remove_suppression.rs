//! `RemoveSuppression`: staff let an address get mail again. The audit names the person.

use levqor_proto_notifications::v1::RemoveSuppressionRequest;
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::{Notified, UNKNOWN_ID, add_suppression::of, reason, refused, violated, welcome};

impl Notified {
    async fn unsuppress(&self, key: &str, id: &str) -> Result<String, Status> {
        let request = RemoveSuppressionRequest { suppression_id: id.to_owned() };
        let staff = Caller::staff().with_key(key);
        let answer = self.client().remove_suppression(staff.request(request)).await?.into_inner();
        Ok(answer.suppression.expect("a suppression").recipient)
    }
}

#[tokio::test]
async fn an_address_that_is_no_longer_suppressed_gets_mail_again() {
    let notified = Notified::start().await;
    let id = notified.suppress_as("a", of("ada@example.com")).await.expect("suppressed").suppression_id;
    assert_eq!(notified.unsuppress("b", &id).await.expect("removed"), "ada@example.com");
    assert_eq!(notified.unsuppress("b", &id).await.expect("remembered"), "ada@example.com");
    notified.sent("c", welcome("1", "ada@example.com")).await;
    let entry = |action: &str| (action.to_owned(), id.clone());
    let audited = notified.audited_suppressions().await;
    assert_eq!(audited, [entry("suppression.add"), entry("suppression.remove")]);
}

#[tokio::test]
async fn removing_a_missing_suppression_is_an_error() {
    let notified = Notified::start().await;
    let status = refused(notified.unsuppress("a", UNKNOWN_ID).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUPPRESSION_NOT_FOUND"));
    assert_eq!(violated(&refused(notified.unsuppress("b", "1").await)), ["suppression_id"]);
}
