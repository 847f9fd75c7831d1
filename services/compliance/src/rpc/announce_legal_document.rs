//! Announces a version of a legal document by mail to the next people who accepted an earlier one or the terms, and defers itself for the
//! others. The mails of a call and the next call are one transaction, and each mail has a key: so nobody is told twice or left out.

use levqor_proto_compliance::v1::{AnnounceLegalDocumentRequest, AnnounceLegalDocumentResponse};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::legal_document::LegalDocumentId,
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
    mutate(compliance, &ctx, &request, async |tx| {
        let document = legal_documents::get(tx, id).await?.ok_or(Error::LegalDocumentNotFound)?;
        let after = after.as_ref().map_or("", Email::as_str);
        let next = declarations::acceptors(tx, document.kind.as_str(), after, BATCH).await?;
        for person in &next {
            let name = compliance.name_of(person);
            mails::announced(tx, &document, (person, &name), &compliance.config.site).await?;
        }
        let told = i32::try_from(next.len()).unwrap_or(i32::MAX);
        if i64::from(told) == BATCH
            && let Some(last) = next.last()
        {
            let further = AnnounceLegalDocumentRequest {
                legal_document_id: id.to_string(),
                after_email: last.as_str().to_owned(),
            };
            defer(tx, &further, format!("legal-document:{id}:{}", compliance.name_of(last))).await?;
        }
        let response = AnnounceLegalDocumentResponse { told };
        Ok(Done::unaudited(response, "only this service makes this call"))
    })
    .await
}

/// A valid request.
struct Command {
    id: LegalDocumentId,
    after: Option<Email>,
}

impl TryFrom<&AnnounceLegalDocumentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AnnounceLegalDocumentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("legal_document_id", &request.legal_document_id);
        let after = violations.filter("after_email", &request.after_email);
        violations.finish(id.map(|id| Self { id, after }))
    }
}
