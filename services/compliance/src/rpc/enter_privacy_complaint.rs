//! Enters a complaint about the use of personal data that came by letter, by phone or in a mail, for staff; recorded in the audit chain.

use chrono::{DateTime, Utc};
use levqor_proto_compliance::v1::{EnterPrivacyComplaintRequest, EnterPrivacyComplaintResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{
        privacy_complaint::{Complaining, ComplaintOrigin, PrivacyComplaint, PrivacyComplaintId},
        text::{LongText, Name},
    },
    error::Error,
    privacy_complaints,
};

pub(super) async fn enter_privacy_complaint(
    compliance: &Compliance,
    ctx: Ctx,
    request: EnterPrivacyComplaintRequest,
) -> Result<EnterPrivacyComplaintResponse, Error> {
    let Command { email, name, text, receive_time } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let receive_time = receive_time.unwrap_or(now);
        if receive_time > now {
            return Err(Invalid::of("receive_time", "expected an instant that is not in the future").into());
        }
        let of = Complaining { owner_sub: None, email, name: name.into_string(), text: text.into_string() };
        let id = PrivacyComplaintId::new_at(now);
        let entered = PrivacyComplaint::received(id, of, ComplaintOrigin::Staff, [receive_time, now]);
        privacy_complaints::take(tx, &entered).await?;
        let response = EnterPrivacyComplaintResponse { privacy_complaint: Some(entered.into()) };
        Ok(Done::audited(response, "privacy_complaint.enter", &[("privacy_complaint_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    email: Option<Email>,
    name: Name,
    text: LongText,
    receive_time: Option<DateTime<Utc>>,
}

impl TryFrom<&EnterPrivacyComplaintRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &EnterPrivacyComplaintRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.filter("email", &request.email);
        let name = violations.field("name", &request.name);
        let text = violations.field("text", &request.text);
        let receive_time = violations.filter_time("receive_time", request.receive_time.as_ref());
        let command = name.zip(text).map(|(name, text)| Self { email, name, text, receive_time });
        violations.finish(command)
    }
}
