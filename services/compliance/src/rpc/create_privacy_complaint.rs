//! Creates a complaint about the use of personal data, of the person who is signed in. It is acknowledged by mail.

use levqor_proto_compliance::v1::{CreatePrivacyComplaintRequest, CreatePrivacyComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::create_data_request::person;
use crate::{
    Compliance,
    domain::{
        privacy_complaint::{Complaining, ComplaintOrigin, PrivacyComplaint, PrivacyComplaintId},
        text::{LongText, Name},
    },
    error::Error,
    privacy_complaints,
};

pub(super) async fn create_privacy_complaint(
    compliance: &Compliance,
    ctx: Ctx,
    request: CreatePrivacyComplaintRequest,
) -> Result<CreatePrivacyComplaintResponse, Error> {
    let Command { text, name } = (&request).try_into()?;
    let (sub, email) = person(&ctx.actor)?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let of = Complaining {
            owner_sub: Some(sub.to_owned()),
            email: Some(email.clone()),
            name: name.into_string(),
            text: text.into_string(),
        };
        let id = PrivacyComplaintId::new_at(now);
        let made = PrivacyComplaint::received(id, of, ComplaintOrigin::Account, [now, now]);
        privacy_complaints::take(tx, &made).await?;
        let response = CreatePrivacyComplaintResponse { privacy_complaint: Some(made.into()) };
        Ok(Done::audited(response, "privacy_complaint.create", &[("privacy_complaint_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    text: LongText,
    name: Name,
}

impl TryFrom<&CreatePrivacyComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreatePrivacyComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let text = violations.field("text", &request.text);
        let name = violations.field("name", &request.name);
        violations.finish(text.zip(name).map(|(text, name)| Self { text, name }))
    }
}
