//! Customers list their own records of the ledger, and staff list all.

use levqor_proto_compliance::v1::{ConsentPurpose, ConsentRecord, ListConsentsRequest};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada, bob};

async fn list(bench: &Bench, caller: &Caller, email: &str) -> Vec<ConsentRecord> {
    let request = ListConsentsRequest { email: email.to_owned(), ..ListConsentsRequest::default() };
    let listed = bench.ledger().list_consents(caller.request(request)).await.expect("a list");
    listed.into_inner().consents
}

#[tokio::test]
async fn a_customer_sees_their_own_records_and_staff_see_all() {
    let bench = Bench::start().await;
    for (caller, given) in [(ada(), true), (ada(), false), (bob(), true)] {
        bench.record(&caller, "", &[(ConsentPurpose::CookiesAnalytics, given)]).await.expect("recorded");
    }
    let hers = list(&bench, &ada(), "").await;
    assert_eq!(hers.iter().map(|it| it.given).collect::<Vec<_>>(), [false, true], "newest first");
    assert!(hers.iter().all(|it| it.email == "ada@example.com" && it.shown_sha256.len() == 64));
    assert!(list(&bench, &ada(), "bob@example.com").await.is_empty());
    assert_eq!(list(&bench, &Caller::staff(), "").await.len(), 3);
    assert_eq!(list(&bench, &Caller::staff(), "bob@example.com").await.len(), 1);
}
