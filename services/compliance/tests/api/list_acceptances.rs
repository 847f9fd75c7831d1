//! Customers list their own acceptances, and staff list all.

use levqor_proto_compliance::v1::ListAcceptancesRequest;
use levqor_runtime::testing::Caller;

use crate::{
    accept_legal_document::accept,
    bench::{Bench, ada, bob},
};

#[tokio::test]
async fn a_customer_sees_their_own_history() {
    let bench = Bench::start().await;
    for caller in [ada(), bob()] {
        accept(&bench, &caller, "1").await.expect("accepted");
    }
    let list = async |caller: Caller| {
        let request = caller.request(ListAcceptancesRequest::default());
        bench.legal().list_acceptances(request).await.expect("a list").into_inner().acceptances
    };
    let [hers] = &list(ada()).await[..] else { panic!("one acceptance") };
    assert_eq!(
        (hers.email.as_str(), hers.version.as_str(), hers.source.as_str()),
        ("ada@example.com", "1", "website")
    );
    assert_eq!(list(Caller::staff()).await.len(), 2);
}
