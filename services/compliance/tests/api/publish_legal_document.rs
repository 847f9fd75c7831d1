//! Staff publish a version. It never changes after that.

use levqor_proto_compliance::v1::{LegalDocument, LegalDocumentKind, PublishLegalDocumentRequest};
use levqor_runtime::testing::{Caller, reason, violated};
use tonic::Status;

use crate::bench::Bench;

/// Publishes a version of the terms.
pub(crate) async fn publish(bench: &Bench, version: &str, required: bool) -> Result<LegalDocument, Status> {
    publish_of(bench, LegalDocumentKind::Terms, version, required).await
}

/// Publishes a version of a document.
pub(crate) async fn publish_of(
    bench: &Bench,
    kind: LegalDocumentKind,
    version: &str,
    required: bool,
) -> Result<LegalDocument, Status> {
    let request = PublishLegalDocumentRequest {
        kind: kind.into(),
        version: version.to_owned(),
        changes: vec!["Refunds take a day.".to_owned()],
        text: format!("# Terms {version}"),
        acceptance_required: required,
        effective_time: None,
    };
    let published = bench.legal().publish_legal_document(Caller::staff().request(request)).await?;
    Ok(published.into_inner().legal_document.expect("a document"))
}

#[tokio::test]
async fn a_version_is_published_once_and_never_changes() {
    let bench = Bench::start().await;
    publish(&bench, "2", true).await.expect("published");
    let again = publish(&bench, "2", false).await.expect_err("it is there");
    assert_eq!(reason(&again), "LEGAL_DOCUMENT_EXISTS");
    let versions = bench.versions(LegalDocumentKind::Terms).await;
    assert_eq!(versions.iter().map(|it| it.version.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'legal_document.publish'").await, 1);
    for forbidden in
        ["UPDATE legal_documents SET body = ''", "DELETE FROM legal_documents", "TRUNCATE legal_documents"]
    {
        let refused = sqlx::query(forbidden).execute(bench.db.pool()).await.expect_err(forbidden);
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_version_without_its_parts_is_refused() {
    let bench = Bench::start().await;
    let request = PublishLegalDocumentRequest::default();
    let refused = bench.legal().publish_legal_document(Caller::staff().request(request)).await;
    assert_eq!(violated(&refused.expect_err("not valid")), ["kind", "version", "changes", "text"]);
}
