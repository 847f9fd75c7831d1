//! Closes a breach when all decisions about it are recorded, for staff; recorded in the audit chain.

use levqor_proto_compliance::v1::{CloseBreachRequest, CloseBreachResponse};
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

pub(super) async fn close_breach(
    compliance: &Compliance,
    ctx: Ctx,
    request: CloseBreachRequest,
) -> Result<CloseBreachResponse, Error> {
    let Command { id, untold } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let mut breach = breaches::lock(tx, id).await?.ok_or(Error::BreachNotFound)?;
        let now = tx.now().await?;
        if untold.is_none() && breach.owes_people_an_answer() {
            return Err(Invalid::of("people_untold_reasons", UNTOLD).into());
        }
        breach.close(untold.map(Reasons::into_string), now)?;
        breaches::update(tx, &breach).await?;
        operators::breach_closed(tx, &breach, now).await?;
        let response = CloseBreachResponse { breach: Some(breach.into()) };
        Ok(Done::audited(response, "breach.close", &[("breach_id", &id)]))
    })
    .await
}

const UNTOLD: &str =
    "expected the reasons why the affected people need no notice (GDPR, article 34(3)), or a notice to them";

/// A valid request.
struct Command {
    id: BreachId,
    untold: Option<Reasons>,
}

impl TryFrom<&CloseBreachRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CloseBreachRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("breach_id", &request.breach_id);
        let untold = violations.filter("people_untold_reasons", &request.people_untold_reasons);
        violations.finish(id.map(|id| Self { id, untold }))
    }
}
