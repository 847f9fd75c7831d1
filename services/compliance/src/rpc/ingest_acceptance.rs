//! Takes the acceptance of the terms at a checkout into the ledger, once.

use chrono::{DateTime, Utc};
use levqor_proto_law::v1::{IngestAcceptanceRequest, IngestAcceptanceResponse};
use levqor_runtime::{
    context::{Client, Ctx},
    email::Email,
    error::{Invalid, Violations},
};
use prost_types::Timestamp;

use crate::{
    Compliance,
    domain::{
        declaration::{Declaration, DeclarationId, DeclarationKind, Label, Person, Shown},
        legal_document::DocumentKind,
    },
    error::Error,
    store::{declarations, legal_documents},
};

pub(super) async fn ingest_acceptance(
    compliance: &Compliance,
    _: Ctx,
    request: IngestAcceptanceRequest,
) -> Result<IngestAcceptanceResponse, Error> {
    let Command { about_id, email, terms_version, accept_time } = (&request).try_into()?;
    let db = &compliance.chassis.db;
    compliance.legal.ready(db).await?;
    let mut tx = db.begin().await?;
    let documents = legal_documents::all(&mut tx).await?;
    let accepted = documents
        .into_iter()
        .find(|document| document.kind == DocumentKind::Terms && document.version == terms_version);
    let address_hash = email.as_ref().and_then(|email| compliance.hash(email));
    let sub = Some(request.owner_sub).filter(|sub| !sub.is_empty());
    let declaration = Declaration {
        id: DeclarationId::new_at(accept_time),
        kind: DeclarationKind::Acceptance,
        scope: DocumentKind::Terms.as_str().to_owned(),
        given: true,
        person: Person { sub, email, visitor_id: None, address_hash },
        shown: Shown {
            version: terms_version,
            sha256: accepted.map(|document| document.sha256).unwrap_or_default(),
        },
        source: "checkout".to_owned(),
        by_signal: false,
        client: Client::default(),
        origin: Some(format!("checkout:{}", about_id.as_str())),
        declare_time: accept_time,
    };
    declarations::insert(&mut tx, &declaration).await?;
    tx.commit().await?;
    Ok(IngestAcceptanceResponse {})
}

/// Reads an instant that must be there. `None` only if it adds a violation.
pub(super) fn instant(
    violations: &mut Violations,
    field: &str,
    time: Option<&Timestamp>,
) -> Option<DateTime<Utc>> {
    let read = |time: &Timestamp| {
        DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).unwrap_or_default())
    };
    let instant = time.and_then(read);
    if instant.is_none() {
        violations.add(field, "expected an instant");
    }
    instant
}

/// A valid request.
struct Command {
    about_id: Label,
    email: Option<Email>,
    terms_version: String,
    accept_time: DateTime<Utc>,
}

impl TryFrom<&IngestAcceptanceRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &IngestAcceptanceRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let about_id = violations.field("about_id", &request.about_id);
        let email = violations.filter("email", &request.email);
        if request.owner_sub.is_empty() && request.email.is_empty() {
            violations.add("owner_sub", "expected an id or an address");
        }
        if request.terms_version.is_empty() {
            violations.add("terms_version", "expected a version");
        }
        let accept_time = instant(&mut violations, "accept_time", request.accept_time.as_ref());
        let terms_version = request.terms_version.clone();
        let command = about_id.zip(accept_time);
        violations.finish(command.map(|(about_id, accept_time)| Self {
            about_id,
            email,
            terms_version,
            accept_time,
        }))
    }
}
