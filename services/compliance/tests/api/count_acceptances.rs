//! Staff see how many people still have to accept.

use levqor_proto_compliance::v1::{CountAcceptancesRequest, LegalDocumentKind};
use levqor_runtime::testing::Caller;

use crate::{
    accept_legal_document::accept,
    bench::{Bench, ada, bob},
    publish_legal_document::publish,
};

#[tokio::test]
async fn each_person_counts_once() {
    let bench = Bench::start().await;
    for caller in [ada(), bob(), bob()] {
        accept(&bench, &caller, "1").await.expect("accepted");
    }
    publish(&bench, "2", true).await.expect("published");
    accept(&bench, &ada(), "2").await.expect("accepted");
    let request = Caller::staff().request(CountAcceptancesRequest {});
    let counts = bench.legal().count_acceptances(request).await.expect("counts").into_inner().counts;
    let terms = counts.iter().find(|it| it.kind() == LegalDocumentKind::Terms).expect("the terms");
    assert_eq!((terms.version.as_str(), terms.accepted, terms.pending), ("2", 1, 1));
    let others = counts.iter().filter(|it| it.kind() != LegalDocumentKind::Terms);
    assert!(others.into_iter().all(|it| it.version.is_empty() && it.pending == 0));
}
