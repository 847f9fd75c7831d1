//! One call returns the documents that a person still has to accept.

use levqor_proto_compliance::v1::GetPendingAcceptancesRequest;
use levqor_runtime::testing::Caller;

use crate::{
    accept_legal_document::accept,
    bench::{Bench, ada},
    publish_legal_document::publish,
};

/// The versions that this person still has to accept.
pub(crate) async fn pending(bench: &Bench, caller: &Caller) -> Vec<String> {
    let request = caller.request(GetPendingAcceptancesRequest {});
    let answer = bench.legal().get_pending_acceptances(request).await.expect("an answer").into_inner();
    answer.legal_documents.into_iter().map(|document| document.version).collect()
}

#[tokio::test]
async fn new_terms_have_to_be_accepted_and_a_small_change_does_not() {
    let bench = Bench::start().await;
    assert_eq!(pending(&bench, &ada()).await, ["1"]);
    accept(&bench, &ada(), "1").await.expect("accepted");
    assert!(pending(&bench, &ada()).await.is_empty());
    publish(&bench, "1.1", false).await.expect("published");
    assert!(pending(&bench, &ada()).await.is_empty(), "it requires no acceptance");
    publish(&bench, "2", true).await.expect("published");
    assert_eq!(pending(&bench, &ada()).await, ["2"]);
    accept(&bench, &ada(), "2").await.expect("accepted");
    assert!(pending(&bench, &ada()).await.is_empty());
}
