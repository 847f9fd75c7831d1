//! Creates a lead from the kick-off form.

use levqor_proto_support::v1::{CreateKickoffLeadRequest, CreateKickoffLeadResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        lead::LeadKind,
        text::{FormText, Name},
    },
    error::Error,
    leads::{self, NewLead},
    screening,
};

/// What happens next.
const NEXT: &str = "Thank you. Somebody from our team replies within one business day.";

pub(super) async fn create_kickoff_lead(
    support: &Support,
    ctx: Ctx,
    request: CreateKickoffLeadRequest,
) -> Result<CreateKickoffLeadResponse, Error> {
    let new = NewLead::try_from(&request)?;
    let screened = screening::check(support, &ctx, "form", &new.text()).await?;
    mutate(support, &ctx, &request, async |tx| {
        leads::take(support, tx, &request.form_token, &request.website, new, &screened).await?;
        let response = CreateKickoffLeadResponse { message: NEXT.to_owned() };
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

impl TryFrom<&CreateKickoffLeadRequest> for NewLead {
    type Error = Invalid;

    fn try_from(request: &CreateKickoffLeadRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let name: Option<Name> = violations.field("name", &request.name);
        let email = violations.field("email", &request.email);
        let description: Option<FormText> =
            violations.field("workflow_description", &request.workflow_description);
        let required = [
            ("name", &request.name),
            ("plan", &request.plan),
            ("workflow_description", &request.workflow_description),
            ("tools", &request.tools),
        ];
        for (field, text) in required {
            if text.trim().is_empty() {
                violations.add(field, "expected a text");
            }
        }
        let further = [
            ("plan", &request.plan),
            ("tools", &request.tools),
            ("preferred_date", &request.preferred_date),
            ("additional_notes", &request.additional_notes),
        ];
        let mut details = Vec::new();
        for (field, text) in further {
            if let Some(text) =
                violations.field::<FormText>(field, text).filter(|text| !text.as_str().is_empty())
            {
                details.push(format!("{field}: {}\n", text.as_str()));
            }
        }
        let new = || {
            Some(Self {
                kind: LeadKind::Kickoff,
                email: email?,
                name: name?.as_str().to_owned(),
                phone: String::new(),
                company: String::new(),
                message: description?.as_str().to_owned(),
                details: details.concat(),
                source: String::new(),
                marketing_consent: request.marketing_consent,
            })
        };
        violations.finish(new())
    }
}
