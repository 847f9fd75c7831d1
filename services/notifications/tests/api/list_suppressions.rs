//! `ListSuppressions`: staff see the addresses that must not get mail, newest first.

use levqor_proto_notifications::v1::{AddSuppressionRequest, ListSuppressionsRequest, SuppressionReason};
use levqor_runtime::testing::Caller;

use crate::{Notified, add_suppression::of};

impl Notified {
    async fn suppressed(&self, request: ListSuppressionsRequest) -> (Vec<String>, String) {
        let request = Caller::staff().request(request);
        let page = self.client().list_suppressions(request).await.expect("a list").into_inner();
        let recipients = page.suppressions.into_iter().map(|it| it.recipient).collect();
        (recipients, page.next_page_token)
    }
}

#[tokio::test]
async fn suppressions_are_listed_newest_first_by_address_and_by_reason() {
    let notified = Notified::start().await;
    for name in ["ada", "bob", "eve"] {
        let address = format!("{name}@example.com");
        notified.suppress_as(name, of(&address)).await.expect("suppressed");
    }
    let complaint =
        AddSuppressionRequest { reason: SuppressionReason::Complaint.into(), ..of("ada@example.com") };
    notified.suppress_as("complaint", complaint).await.expect("suppressed");
    let all = notified.suppressed(ListSuppressionsRequest::default()).await.0;
    assert_eq!(all, ["ada@example.com", "eve@example.com", "bob@example.com", "ada@example.com"]);
    let of_ada = ListSuppressionsRequest { recipient: "ADA@example.com".to_owned(), ..Default::default() };
    assert_eq!(notified.suppressed(of_ada).await.0.len(), 2);
    let complaints =
        ListSuppressionsRequest { reason: SuppressionReason::Complaint.into(), ..Default::default() };
    assert_eq!(notified.suppressed(complaints).await.0, ["ada@example.com"]);
    let page = ListSuppressionsRequest { page_size: 3, ..Default::default() };
    let (first, page_token) = notified.suppressed(page.clone()).await;
    let (second, end) = notified.suppressed(ListSuppressionsRequest { page_token, ..page }).await;
    assert_eq!((first.len(), second.len(), end.as_str()), (3, 1, ""));
}
