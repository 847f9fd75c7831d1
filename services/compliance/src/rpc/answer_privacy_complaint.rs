//! Answers a complaint about the use of personal data with its outcome, for staff; recorded in the audit chain. The outcome is mailed, if
//! the complaint has an address.

use levqor_proto_compliance::v1::{AnswerPrivacyComplaintRequest, AnswerPrivacyComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{privacy_complaint::PrivacyComplaintId, text::LongText},
    error::Error,
    mails, operators,
    store::privacy_complaints,
};

pub(super) async fn answer_privacy_complaint(
    compliance: &Compliance,
    ctx: Ctx,
    request: AnswerPrivacyComplaintRequest,
) -> Result<AnswerPrivacyComplaintResponse, Error> {
    let Command { id, outcome } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = privacy_complaints::lock(tx, id).await?;
        let mut complaint = found.ok_or(Error::PrivacyComplaintNotFound)?;
        let now = tx.now().await?;
        complaint.answer(outcome.into_string(), now)?;
        privacy_complaints::update(tx, &complaint).await?;
        mails::complaint_answered(tx, &complaint).await?;
        operators::complaint_answered(tx, &complaint, now).await?;
        let response = AnswerPrivacyComplaintResponse { privacy_complaint: Some(complaint.into()) };
        Ok(Done::audited(response, "privacy_complaint.answer", &[("privacy_complaint_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: PrivacyComplaintId,
    outcome: LongText,
}

impl TryFrom<&AnswerPrivacyComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &AnswerPrivacyComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("privacy_complaint_id", &request.privacy_complaint_id);
        let outcome = violations.field("outcome", &request.outcome);
        violations.finish(id.zip(outcome).map(|(id, outcome)| Self { id, outcome }))
    }
}
