//! Everybody reads a version, current or old.

use levqor_proto_compliance::v1::{GetLegalDocumentRequest, LegalDocumentKind};
use levqor_runtime::testing::{Caller, reason};

use crate::bench::{Bench, NOBODYS};

#[tokio::test]
async fn a_version_has_its_text_and_the_hash_of_it() {
    let bench = Bench::start().await;
    let id = bench.versions(LegalDocumentKind::Terms).await[0].legal_document_id.clone();
    let get = async |id: &str| {
        let request = GetLegalDocumentRequest { legal_document_id: id.to_owned() };
        bench.legal().get_legal_document(Caller::anonymous().request(request)).await
    };
    let found = get(&id).await.expect("found").into_inner().legal_document.expect("a document");
    assert!(found.text.starts_with("# Terms of Service"), "{}", found.text);
    let hashed =
        format!("legal_documents WHERE encode(sha256(convert_to(body, 'UTF8')), 'hex') = '{}'", found.sha256);
    assert_eq!(bench.count(&hashed).await, 1);
    assert_eq!(reason(&get(NOBODYS).await.expect_err("nothing")), "LEGAL_DOCUMENT_NOT_FOUND");
}
