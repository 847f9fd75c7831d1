//! Gets one version of a legal document with its text. Everybody may read it.

use levqor_proto_compliance::v1::{GetLegalDocumentRequest, GetLegalDocumentResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, error::Error, store::legal_documents};

pub(super) async fn get_legal_document(
    compliance: &Compliance,
    _: Ctx,
    request: GetLegalDocumentRequest,
) -> Result<GetLegalDocumentResponse, Error> {
    let id = id("legal_document_id", &request.legal_document_id)?;
    compliance.legal.ready(&compliance.chassis.db).await?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = legal_documents::get(&mut conn, id).await?.ok_or(Error::LegalDocumentNotFound)?;
    Ok(GetLegalDocumentResponse { legal_document: Some(found.into()) })
}
