//! A customer accepts a version, and the history keeps it.

use levqor_proto_compliance::v1::{AcceptLegalDocumentRequest, Acceptance, LegalDocumentKind};
use levqor_runtime::testing::{Caller, violated};
use tonic::Status;

use crate::{
    bench::{Bench, ada},
    publish_legal_document::publish,
};

/// Accepts a version of the terms.
pub(crate) async fn accept(bench: &Bench, caller: &Caller, version: &str) -> Result<Acceptance, Status> {
    let request =
        AcceptLegalDocumentRequest { kind: LegalDocumentKind::Terms.into(), version: version.to_owned() };
    let accepted = bench.legal().accept_legal_document(caller.request(request)).await?;
    Ok(accepted.into_inner().acceptance.expect("an acceptance"))
}

#[tokio::test]
async fn an_acceptance_names_the_version_and_the_hash_of_its_text() {
    let bench = Bench::start().await;
    let accepted = accept(&bench, &ada(), "1").await.expect("accepted");
    let document = bench.versions(LegalDocumentKind::Terms).await.remove(0);
    assert_eq!((accepted.version.as_str(), &accepted.sha256), ("1", &document.sha256));
    publish(&bench, "2", true).await.expect("published");
    let old = accept(&bench, &ada(), "1").await.expect_err("it does not hold any more");
    assert_eq!(violated(&old), ["version"]);
    accept(&bench, &ada(), "2").await.expect("accepted");
    assert_eq!(bench.count("declarations WHERE kind = 'ACCEPTANCE' AND owner_sub = 'ada'").await, 2);
}
