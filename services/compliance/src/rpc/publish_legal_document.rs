//! Publishes a version of a legal document, for staff. The audit chain records it. Everybody who accepted an earlier version, or the
//! terms, gets a mail.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{
    AnnounceLegalDocumentRequest, PublishLegalDocumentRequest, PublishLegalDocumentResponse,
};
use levqor_runtime::{
    context::Ctx,
    deferred::defer,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::ingest_acceptance::instant;
use crate::{
    Compliance,
    domain::{
        declaration::{Label, sha256},
        legal_document::{DocumentKind, LegalDocument, LegalDocumentId},
    },
    error::Error,
    store::legal_documents,
};

const MOST_CHANGES: usize = 20;
const MOST_CHANGE_CHARS: usize = 300;
const MOST_TEXT_CHARS: usize = 200_000;

pub(super) async fn publish_legal_document(
    compliance: &Compliance,
    ctx: Ctx,
    request: PublishLegalDocumentRequest,
) -> Result<PublishLegalDocumentResponse, Error> {
    let Command { kind, version, effective_time } = (&request).try_into()?;
    compliance.legal.ready(&compliance.chassis.db).await?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let effective_time = effective_time.unwrap_or(now);
        if effective_time < now {
            return Err(Invalid::of("effective_time", "expected a time that is not over").into());
        }
        let document = LegalDocument {
            id: LegalDocumentId::new_at(now),
            kind,
            version: version.as_str().to_owned(),
            changes: request.changes.clone(),
            text: request.text.clone(),
            sha256: sha256(&request.text),
            acceptance_required: request.acceptance_required,
            effective_time,
            publish_time: now,
        };
        if !legal_documents::insert(tx, &document).await? {
            return Err(Error::LegalDocumentExists);
        }
        let id = document.id;
        let announcement =
            AnnounceLegalDocumentRequest { legal_document_id: id.to_string(), ..Default::default() };
        defer(tx, &announcement, format!("legal-document:{id}:0")).await?;
        let response = PublishLegalDocumentResponse { legal_document: Some(document.without_text()) };
        Ok(Done::audited(response, "legal_document.publish", &[("legal_document_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    kind: DocumentKind,
    version: Label,
    effective_time: Option<DateTime<Utc>>,
}

impl TryFrom<&PublishLegalDocumentRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &PublishLegalDocumentRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let kind = violations.field_enum("kind", request.kind);
        let version = violations.field("version", &request.version);
        let is_change =
            |change: &String| !change.trim().is_empty() && change.chars().count() <= MOST_CHANGE_CHARS;
        let fits = (1..=MOST_CHANGES).contains(&request.changes.len());
        if !fits || !request.changes.iter().all(is_change) {
            violations.add("changes", "expected 1 to 20 changes of 1 to 300 characters");
        }
        if request.changes.iter().any(|change| change.contains(char::is_control)) {
            violations.add("changes", "expected each change on one line");
        }
        if !(1..=MOST_TEXT_CHARS).contains(&request.text.trim().chars().count()) {
            violations.add("text", "expected 1 to 200,000 characters");
        }
        let effective_time = request
            .effective_time
            .as_ref()
            .and_then(|time| instant(&mut violations, "effective_time", Some(time)));
        let command = kind.zip(version);
        violations.finish(command.map(|(kind, version)| Self { kind, version, effective_time }))
    }
}
