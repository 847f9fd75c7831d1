//! Takes a complaint about the use of personal data that came by support's form, once: it is acknowledged by mail.

use chrono::{DateTime, Utc};
use levqor_proto_law::v1::{IngestPrivacyComplaintRequest, IngestPrivacyComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
};

use crate::{
    Compliance,
    domain::{
        privacy_complaint::{Complaining, ComplaintOrigin, PrivacyComplaint, PrivacyComplaintId},
        text::Name,
    },
    error::Error,
    privacy_complaints,
};

pub(super) async fn ingest_privacy_complaint(
    compliance: &Compliance,
    _: Ctx,
    request: IngestPrivacyComplaintRequest,
) -> Result<IngestPrivacyComplaintResponse, Error> {
    let Command { id, of, receive_time } = (&request).try_into()?;
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let mut complaint = PrivacyComplaint::received(id, of, ComplaintOrigin::Support, [receive_time, now]);
    privacy_complaints::spare_address(&mut tx, &mut complaint).await?;
    privacy_complaints::take(&mut tx, &complaint).await?;
    tx.commit().await?;
    Ok(IngestPrivacyComplaintResponse {})
}

/// A valid request.
struct Command {
    id: PrivacyComplaintId,
    of: Complaining,
    receive_time: DateTime<Utc>,
}

impl TryFrom<&IngestPrivacyComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &IngestPrivacyComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("complaint_id", &request.complaint_id);
        let email = violations.field::<Email>("email", &request.email);
        let name = violations.field::<Name>("name", &request.name);
        let receive_time = violations.field_time("receive_time", request.receive_time.as_ref());
        let (subject, text) = (request.subject.trim(), request.text.trim());
        if text.is_empty() {
            violations.add("text", "expected a text");
        }
        let text = if subject.is_empty() { text.to_owned() } else { format!("{subject}\n\n{text}") };
        let owner_sub = Some(request.owner_sub.clone()).filter(|sub| !sub.is_empty());
        let command = || {
            let of = Complaining { owner_sub, email: Some(email?), name: name?.into_string(), text };
            Some(Self { id: id?, of, receive_time: receive_time? })
        };
        violations.finish(command())
    }
}
