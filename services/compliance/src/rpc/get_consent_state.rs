//! Gets the consents that are in force now for a visitor's id, and for the person who is signed in.

use levqor_proto_compliance::v1::{GetConsentStateRequest, GetConsentStateResponse};
use levqor_runtime::{
    context::Ctx,
    db,
    error::{Invalid, Violations},
};

use super::record_consent::visitor;
use crate::{
    Compliance, declaring,
    domain::{consent::standings, declaration::DeclarationKind},
    error::Error,
    store::declarations,
};

pub(super) async fn get_consent_state(
    compliance: &Compliance,
    ctx: Ctx,
    request: GetConsentStateRequest,
) -> Result<GetConsentStateResponse, Error> {
    let Query { visitor_id } = (&request).try_into()?;
    let mut person = declaring::person(compliance, &ctx.actor);
    person.visitor_id = visitor_id;
    let mut conn = compliance.chassis.db.acquire().await?;
    let now = db::now(&mut conn).await?;
    let decisions = declarations::last(&mut conn, DeclarationKind::Consent, &person).await?;
    let signal = ctx.client.objects_by_signal;
    Ok(GetConsentStateResponse { standings: standings(&decisions, signal, now), signal_honoured: signal })
}

/// A valid request.
struct Query {
    visitor_id: Option<String>,
}

impl TryFrom<&GetConsentStateRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &GetConsentStateRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let visitor_id = visitor(&mut violations, &request.visitor_id);
        violations.finish(Some(Self { visitor_id }))
    }
}
