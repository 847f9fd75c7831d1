//! Creates a lead of a person who waits for a connector.

use levqor_proto_support::v1::{CreateConnectorLeadRequest, CreateConnectorLeadResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::lead::{LeadKind, connector},
    error::Error,
    leads::{self, NewLead},
    screening,
};

/// What happens next.
const NEXT: &str = "Thank you. We will write to you when the connector is ready.";

pub(super) async fn create_connector_lead(
    support: &Support,
    ctx: Ctx,
    request: CreateConnectorLeadRequest,
) -> Result<CreateConnectorLeadResponse, Error> {
    let new = NewLead::try_from(&request)?;
    let screened = screening::check(support, &ctx, "form", &new.text()).await?;
    mutate(support, &ctx, &request, async |tx| {
        leads::take(support, tx, &request.form_token, &request.website, new, &screened).await?;
        let response = CreateConnectorLeadResponse { message: NEXT.to_owned() };
        Ok(Done::unaudited(response, "anybody may call this, and the row is the evidence"))
    })
    .await
}

impl TryFrom<&CreateConnectorLeadRequest> for NewLead {
    type Error = Invalid;

    fn try_from(request: &CreateConnectorLeadRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        let connector = connector(&request.connector);
        if connector.is_none() {
            violations.add("connector", "expected a connector of our list");
        }
        violations.finish(email.zip(connector).map(|(email, connector)| Self {
            kind: LeadKind::Connector,
            email,
            name: String::new(),
            phone: String::new(),
            company: String::new(),
            message: String::new(),
            details: connector.to_owned(),
            source: String::new(),
            marketing_consent: request.marketing_consent,
        }))
    }
}
