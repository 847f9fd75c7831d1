//! Takes a change of a permission for advertising into the ledger, once. Notifications has stored it and acts by it already.

use chrono::{DateTime, Utc};
use levqor_proto_law::v1::{IngestPermissionChangeRequest, IngestPermissionChangeResponse};
use levqor_runtime::{
    address::AddressHash,
    context::{Client, Ctx},
    email::Email,
    error::{Invalid, Violations},
};

use super::ingest_acceptance::instant;
use crate::{
    Compliance, declaring,
    domain::{
        consent::Purpose,
        declaration::{Declaration, DeclarationId, DeclarationKind, Label, Person, Shown},
    },
    error::Error,
    store::declarations,
};

pub(super) async fn ingest_permission_change(
    compliance: &Compliance,
    _: Ctx,
    request: IngestPermissionChangeRequest,
) -> Result<IngestPermissionChangeResponse, Error> {
    let Command { change_id, purpose, email, address_hash, source, change_time } = (&request).try_into()?;
    let declaration = Declaration {
        id: DeclarationId::new_at(change_time),
        kind: DeclarationKind::Consent,
        scope: purpose.as_str().to_owned(),
        given: request.given,
        person: Person { sub: None, email, visitor_id: None, address_hash: Some(address_hash) },
        shown: Shown::of("", &request.shown_text),
        source: source.as_str().to_owned(),
        by_signal: false,
        client: Client::default(),
        origin: Some(format!("permission_change:{}", change_id.as_str())),
        declare_time: change_time,
    };
    let mut tx = compliance.chassis.db.begin().await?;
    if declarations::insert(&mut tx, &declaration).await? && declaration.given {
        declaring::end_objection_to_marketing(&mut tx, &declaration.person, declaration.declare_time).await?;
    }
    tx.commit().await?;
    Ok(IngestPermissionChangeResponse {})
}

/// A valid request.
struct Command {
    change_id: Label,
    purpose: Purpose,
    email: Option<Email>,
    address_hash: AddressHash,
    source: Label,
    change_time: DateTime<Utc>,
}

impl TryFrom<&IngestPermissionChangeRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &IngestPermissionChangeRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let change_id = violations.field("change_id", &request.change_id);
        let source = violations.field("source", &request.source);
        let email = violations.filter("email", &request.email);
        let purpose = Purpose::of_category(&request.category);
        if purpose.is_none() {
            violations.add("category", "expected a category of advertising");
        }
        let address_hash = AddressHash::stored(&request.address_hash);
        if address_hash.is_none() {
            violations.add("address_hash", "expected 32 bytes");
        }
        let change_time = instant(&mut violations, "change_time", request.change_time.as_ref());
        let command = || {
            Some(Self {
                change_id: change_id?,
                purpose: purpose?,
                email,
                address_hash: address_hash?,
                source: source?,
                change_time: change_time?,
            })
        };
        violations.finish(command())
    }
}
