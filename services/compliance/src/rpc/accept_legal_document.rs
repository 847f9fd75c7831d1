//! Accepts a version of a legal document, for the person who is signed in.

use levqor_proto_compliance::v1::{AcceptLegalDocumentRequest, AcceptLegalDocumentResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance, declaring,
    domain::{
        declaration::{Declaration, DeclarationId, DeclarationKind, Label, Shown},
        legal_document::{DocumentKind, in_force},
    },
    error::Error,
    store::{declarations, legal_documents},
};

pub(super) async fn accept_legal_document(
    compliance: &Compliance,
    ctx: Ctx,
    request: AcceptLegalDocumentRequest,
) -> Result<AcceptLegalDocumentResponse, Error> {
    let Command { kind, version } = (&request).try_into()?;
    let person = declaring::person(compliance, &ctx.actor);
    compliance.legal.ready(&compliance.chassis.db).await?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let documents = legal_documents::all(tx).await?;
        let current = in_force(&documents, kind, now).ok_or(Error::LegalDocumentNotFound)?;
        // One that holds later can be accepted before.
        let wanted = documents
            .iter()
            .find(|document| document.kind == kind && document.version == version.as_str())
            .filter(|document| document.effective_time >= current.effective_time);
        let Some(document) = wanted else {
            let expected = format!("expected a version that holds now or later, such as {}", current.version);
            return Err(Invalid::of("version", expected).into());
        };
        let declaration = Declaration {
            id: DeclarationId::new_at(now),
            kind: DeclarationKind::Acceptance,
            scope: kind.as_str().to_owned(),
            given: true,
            person,
            shown: Shown { version: document.version.clone(), sha256: document.sha256.clone() },
            source: "website".to_owned(),
            by_signal: false,
            client: ctx.client.clone(),
            origin: None,
            declare_time: now,
        };
        declarations::insert(tx, &declaration).await?;
        let id = declaration.id;
        let response = AcceptLegalDocumentResponse { acceptance: Some(declaration.into()) };
        Ok(Done::audited(response, "legal_document.accept", &[("acceptance_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    kind: DocumentKind,
    version: Label,
}

impl TryFrom<&AcceptLegalDocumentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AcceptLegalDocumentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.field_enum("kind", request.kind);
        let version = violations.field("version", &request.version);
        violations.finish(kind.zip(version).map(|(kind, version)| Self { kind, version }))
    }
}
