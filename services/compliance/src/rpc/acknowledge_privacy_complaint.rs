//! Records that a complaint without a mail address was acknowledged by letter, for staff; recorded in the audit chain.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{AcknowledgePrivacyComplaintRequest, AcknowledgePrivacyComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance, domain::privacy_complaint::PrivacyComplaintId, error::Error, store::privacy_complaints,
};

pub(super) async fn acknowledge_privacy_complaint(
    compliance: &Compliance,
    ctx: Ctx,
    request: AcknowledgePrivacyComplaintRequest,
) -> Result<AcknowledgePrivacyComplaintResponse, Error> {
    let Command { id, time } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = privacy_complaints::lock(tx, id).await?;
        let mut complaint = found.ok_or(Error::PrivacyComplaintNotFound)?;
        let now = tx.now().await?;
        let time = time.unwrap_or(now);
        if !(complaint.receive_time..=now).contains(&time) {
            return Err(Invalid::of("acknowledge_time", IN_BETWEEN).into());
        }
        complaint.acknowledge(time)?;
        privacy_complaints::update(tx, &complaint).await?;
        let response = AcknowledgePrivacyComplaintResponse { privacy_complaint: Some(complaint.into()) };
        Ok(Done::audited(response, "privacy_complaint.acknowledge", &[("privacy_complaint_id", &id)]))
    })
    .await
}

const IN_BETWEEN: &str = "expected an instant between the receipt of the complaint and now";

/// A valid request.
struct Command {
    id: PrivacyComplaintId,
    time: Option<DateTime<Utc>>,
}

impl TryFrom<&AcknowledgePrivacyComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AcknowledgePrivacyComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("privacy_complaint_id", &request.privacy_complaint_id);
        let time = violations.filter_time("acknowledge_time", request.acknowledge_time.as_ref());
        violations.finish(id.map(|id| Self { id, time }))
    }
}
