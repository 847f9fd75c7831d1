//! Creates a lead from the form of the free guide, and mails the guide.

use levqor_proto_support::v1::{CreateGuideLeadRequest, CreateGuideLeadResponse};
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
const NEXT: &str = "Thank you. The guide comes by mail.";

pub(super) async fn create_guide_lead(
    support: &Support,
    ctx: Ctx,
    request: CreateGuideLeadRequest,
) -> Result<CreateGuideLeadResponse, Error> {
    let new = NewLead::try_from(&request)?;
    let screened = screening::check(support, &ctx, "form", &new.text()).await?;
    mutate(support, &ctx, &request, async |tx| {
        leads::take(support, tx, &request.form_token, &request.website, new, &screened).await?;
        let response = CreateGuideLeadResponse { message: NEXT.to_owned() };
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

impl TryFrom<&CreateGuideLeadRequest> for NewLead {
    type Error = Invalid;

    fn try_from(request: &CreateGuideLeadRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let name: Option<Name> = violations.field("name", &request.name);
        if request.name.trim().is_empty() {
            violations.add("name", "expected a name of 1 to 200 characters");
        }
        let email = violations.field("email", &request.email);
        let business: Option<Name> = violations.field("business_type", &request.business_type);
        let problem: Option<FormText> = violations.field("problem", &request.problem);
        let phone: Option<Name> = violations.field("phone", &request.phone);
        let new = || {
            Some(Self {
                kind: LeadKind::Guide,
                email: email?,
                name: name?.as_str().to_owned(),
                phone: phone?.as_str().to_owned(),
                company: business?.as_str().to_owned(),
                message: problem?.as_str().to_owned(),
                details: String::new(),
                source: String::new(),
                marketing_consent: request.marketing_consent,
            })
        };
        violations.finish(new())
    }
}
