//! The versions of the legal documents are listed to everybody.

use levqor_proto_compliance::v1::{
    LegalDocument, LegalDocumentKind, ListLegalDocumentsRequest,
    legal_document_service_client::LegalDocumentServiceClient,
};
use levqor_runtime::{client::Peer, testing::Caller};

use crate::bench::Bench;

impl Bench {
    pub(crate) fn legal(&self) -> LegalDocumentServiceClient<Peer> {
        LegalDocumentServiceClient::new(self.channel())
    }

    /// The versions of a kind, newest first.
    pub(crate) async fn versions(&self, kind: LegalDocumentKind) -> Vec<LegalDocument> {
        let request = ListLegalDocumentsRequest { kind: kind.into(), ..ListLegalDocumentsRequest::default() };
        let listed = self.legal().list_legal_documents(Caller::anonymous().request(request)).await;
        listed.expect("a list").into_inner().legal_documents
    }
}

#[tokio::test]
async fn four_documents_come_with_the_service_once() {
    let bench = Bench::start().await;
    for kind in [
        LegalDocumentKind::Terms,
        LegalDocumentKind::Privacy,
        LegalDocumentKind::Cookies,
        LegalDocumentKind::ProcessingAgreement,
    ] {
        let [only] = &bench.versions(kind).await[..] else { panic!("one version of {kind:?}") };
        assert_eq!((only.kind(), only.version.as_str(), only.text.as_str()), (kind, "1", ""));
        assert_eq!(only.sha256.len(), 64);
    }
    assert_eq!(bench.versions(LegalDocumentKind::Unspecified).await.len(), 4);
    assert_eq!(bench.count("legal_documents").await, 4);
}
