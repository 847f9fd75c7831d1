//! Announces the end of a restriction, by staff (GDPR, article 18(3)). The person gets the reasons at once; the sweep ends it seven days
//! later.

use levqor_proto_compliance::v1::{LiftRestrictionRequest, LiftRestrictionResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
    privacy::{self, HoldKind},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::{
        data_request::Reasons,
        hold::{HoldId, HoldOfPeople, HoldOver},
    },
    error::Error,
    mails,
    store::{data_requests, placed_holds},
};

pub(super) async fn lift_restriction(
    compliance: &Compliance,
    ctx: Ctx,
    request: LiftRestrictionRequest,
) -> Result<LiftRestrictionResponse, Error> {
    let Command { id, reasons } = (&request).try_into()?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = placed_holds::lock(tx, id).await?.filter(|hold| hold.kind == HoldKind::Restriction);
        let mut hold = found.ok_or(Error::HoldNotFound)?;
        hold.lift(reasons.as_str(), tx.now().await?)?;
        placed_holds::update(tx, &hold).await?;
        let (request_id, end) = hold.data_request_id.zip(hold.lift_time).ok_or(HoldOver)?;
        let asked = data_requests::get(tx, &Scope::All, request_id).await?;
        mails::lifting(tx, &asked.ok_or(Error::DataRequestNotFound)?, reasons.as_str(), end).await?;
        let people = privacy::subject_of_hold(tx, id.as_uuid()).await?;
        let emails = people.emails.into_iter().collect();
        let shown = HoldOfPeople { hold, emails, subs: Vec::new() };
        let response = LiftRestrictionResponse { restriction: Some(shown.into()) };
        Ok(Done::audited(response, "restriction.lift", &[("restriction_id", &id)]))
    })
    .await
}

/// A valid request.
struct Command {
    id: HoldId,
    reasons: Reasons,
}

impl TryFrom<&LiftRestrictionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &LiftRestrictionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("restriction_id", &request.restriction_id);
        let reasons = violations.field("reasons", &request.reasons);
        violations.finish(id.zip(reasons).map(|(id, reasons)| Self { id, reasons }))
    }
}
