//! Lists the versions of the legal documents, without their texts. Everybody may read them.

use levqor_proto_compliance::v1::{ListLegalDocumentsRequest, ListLegalDocumentsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
};

use crate::{
    Compliance,
    domain::legal_document::LegalDocument,
    error::Error,
    store::legal_documents::{self, Filter},
};

pub(super) async fn list_legal_documents(
    compliance: &Compliance,
    ctx: Ctx,
    request: ListLegalDocumentsRequest,
) -> Result<ListLegalDocumentsResponse, Error> {
    compliance.legal.ready(&compliance.chassis.db).await?;
    list(compliance, &ctx, &request, legal_documents::list, |found, next_page_token| {
        ListLegalDocumentsResponse {
            legal_documents: found.into_iter().map(LegalDocument::without_text).collect(),
            next_page_token,
        }
    })
    .await
}

impl TryFrom<&ListLegalDocumentsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListLegalDocumentsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.filter_enum("kind", request.kind);
        violations.finish(Some(Self { kind }))
    }
}
