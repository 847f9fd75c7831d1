//! Exempts a breach from the notice to the regulator, with reasons, for staff; recorded in the audit chain.

use levqor_proto_compliance::v1::{ExemptBreachRequest, ExemptBreachResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{breach::BreachId, data_request::Reasons},
    error::Error,
    operators,
    store::breaches,
};

pub(super) async fn exempt_breach(
    compliance: &Compliance,
    ctx: Ctx,
    request: ExemptBreachRequest,
) -> Result<ExemptBreachResponse, Error> {
    let Command { id, reasons } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let mut breach = breaches::lock(tx, id).await?.ok_or(Error::BreachNotFound)?;
        let now = tx.now().await?;
        breach.exempt(reasons.into_string(), now)?;
        breaches::update(tx, &breach).await?;
        operators::breach_decided(tx, &breach, now).await?;
        let response = ExemptBreachResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.exempt", &[("breach_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: BreachId,
    reasons: Reasons,
}

impl TryFrom<&ExemptBreachRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ExemptBreachRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("breach_id", &request.breach_id);
        let reasons = violations.field("reasons", &request.reasons);
        violations.finish(id.zip(reasons).map(|(id, reasons)| Self { id, reasons }))
    }
}
