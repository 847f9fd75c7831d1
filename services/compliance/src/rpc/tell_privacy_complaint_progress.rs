//! Tells a person by mail how far their complaint about the use of personal data is, for staff; recorded in the audit chain.

use levqor_proto_compliance::v1::{
    TellPrivacyComplaintProgressRequest, TellPrivacyComplaintProgressResponse,
};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{privacy_complaint::PrivacyComplaintId, text::LongText},
    error::Error,
    mails,
    store::privacy_complaints,
};

pub(super) async fn tell_privacy_complaint_progress(
    compliance: &Compliance,
    ctx: Ctx,
    request: TellPrivacyComplaintProgressRequest,
) -> Result<TellPrivacyComplaintProgressResponse, Error> {
    let Command { id, progress } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = privacy_complaints::lock(tx, id).await?;
        let mut complaint = found.ok_or(Error::PrivacyComplaintNotFound)?;
        let now = tx.now().await?;
        complaint.tell_progress(now)?;
        privacy_complaints::update(tx, &complaint).await?;
        mails::complaint_progress(tx, &complaint, progress.into_string(), now).await?;
        let response = TellPrivacyComplaintProgressResponse { privacy_complaint: Some(complaint.into()) };
        Ok(Done::audited(response, "privacy_complaint.tell_progress", &[("privacy_complaint_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: PrivacyComplaintId,
    progress: LongText,
}

impl TryFrom<&TellPrivacyComplaintProgressRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &TellPrivacyComplaintProgressRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("privacy_complaint_id", &request.privacy_complaint_id);
        let progress = violations.field("progress", &request.progress);
        violations.finish(id.zip(progress).map(|(id, progress)| Self { id, progress }))
    }
}
