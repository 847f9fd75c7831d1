//! Announces a version of a legal document by mail to the next people who accepted an earlier one or the terms, and defers itself for the
//! others. The mails of a call and the next call are one transaction, and each mail has a key: so each person gets one mail.

use levqor_proto_compliance::v1::{AnnounceLegalDocumentRequest, AnnounceLegalDocumentResponse};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};
use uuid::Uuid;

use crate::{
    Compliance,
    domain::{declaration::DeclarationId, legal_document::LegalDocumentId},
    error::Error,
    mails,
    store::{declarations, legal_documents},
};

/// How many people one call tells.
const BATCH: i64 = 100;

pub(super) async fn announce_legal_document(
    compliance: &Compliance,
    ctx: Ctx,
    request: AnnounceLegalDocumentRequest,
) -> Result<AnnounceLegalDocumentResponse, Error> {
    let Command { id, after } = (&request).try_into()?;
    let after = after.unwrap_or_else(|| Uuid::nil().into());
    mutate(compliance, &ctx, &request, async |tx| {
        let document = legal_documents::get(tx, id).await?.ok_or(Error::LegalDocumentNotFound)?;
        let next = declarations::acceptors(tx, document.kind.as_str(), after, BATCH).await?;
        for (_, person) in &next {
            let name = compliance.name_of(person);
            mails::announced(tx, &document, (person, &name), &compliance.config.site).await?;
        }
        let told = i32::try_from(next.len()).unwrap_or(i32::MAX);
        if i64::from(told) == BATCH
            && let Some((last, _)) = next.last()
        {
            // It names no address: an erasure removes the calls that name its person.
            let further = AnnounceLegalDocumentRequest {
                legal_document_id: id.to_string(),
                after_declaration_id: last.to_string(),
                ..AnnounceLegalDocumentRequest::default()
            };
            defer(tx, &further, format!("legal-document:{id}:{last}")).await?;
        }
        let response = AnnounceLegalDocumentResponse { told };
        Ok(Done::unaudited(response, "only this service makes this call"))
    })
    .await
}

/// A valid request.
struct Command {
    id: LegalDocumentId,
    after: Option<DeclarationId>,
}

impl TryFrom<&AnnounceLegalDocumentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AnnounceLegalDocumentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("legal_document_id", &request.legal_document_id);
        let after = violations.filter("after_declaration_id", &request.after_declaration_id);
        violations.finish(id.map(|id| Self { id, after }))
    }
}
