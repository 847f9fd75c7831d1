//! Updates the known facts of a breach, for staff; recorded in the audit chain.

use levqor_proto_compliance::v1::{UpdateBreachRequest, UpdateBreachResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use super::create_breach::facts;
use crate::{
    Compliance,
    domain::breach::{BreachId, Facts},
    error::Error,
    store::breaches,
};

pub(super) async fn update_breach(
    compliance: &Compliance,
    ctx: Ctx,
    request: UpdateBreachRequest,
) -> Result<UpdateBreachResponse, Error> {
    let Command { id, facts } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let mut breach = breaches::lock(tx, id).await?.ok_or(Error::BreachNotFound)?;
        breach.update(facts)?;
        breaches::update(tx, &breach).await?;
        let response = UpdateBreachResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.update", &[("breach_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: BreachId,
    facts: Facts,
}

impl TryFrom<&UpdateBreachRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UpdateBreachRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("breach_id", &request.breach_id);
        let facts = facts(&mut violations, request.facts.as_ref());
        violations.finish(id.zip(facts).map(|(id, facts)| Self { id, facts }))
    }
}
