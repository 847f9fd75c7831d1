//! Creates a lead from the sales form.

use levqor_proto_support::v1::{CreateSalesLeadRequest, CreateSalesLeadResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::{
        lead::LeadKind,
        text::{FormText, Name, SourceName},
    },
    error::Error,
    leads::{self, NewLead},
    screening,
};

/// What happens next.
const NEXT: &str = "Thank you. Somebody from our team replies within one business day.";

pub(super) async fn create_sales_lead(
    support: &Support,
    ctx: Ctx,
    request: CreateSalesLeadRequest,
) -> Result<CreateSalesLeadResponse, Error> {
    let new = NewLead::try_from(&request)?;
    let screened = screening::check(support, &ctx, "form", &new.text()).await?;
    mutate(support, &ctx, &request, async |tx| {
        leads::take(support, tx, &request.form_token, &request.website, new, &screened).await?;
        let response = CreateSalesLeadResponse { message: NEXT.to_owned() };
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

impl TryFrom<&CreateSalesLeadRequest> for NewLead {
    type Error = Invalid;

    fn try_from(request: &CreateSalesLeadRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let name: Option<Name> = violations.field("name", &request.name);
        if request.name.trim().is_empty() {
            violations.add("name", "expected a name of 1 to 200 characters");
        }
        let email = violations.field("email", &request.email);
        let company: Option<Name> = violations.field("company", &request.company);
        let message: Option<FormText> = violations.field("message", &request.message);
        let source: Option<SourceName> = violations.field("source", &request.source);
        let new = || {
            Some(Self {
                kind: LeadKind::Sales,
                email: email?,
                name: name?.as_str().to_owned(),
                phone: String::new(),
                company: company?.as_str().to_owned(),
                message: message?.as_str().to_owned(),
                details: String::new(),
                source: source?.as_str().to_owned(),
                marketing_consent: request.marketing_consent,
            })
        };
        violations.finish(new())
    }
}
