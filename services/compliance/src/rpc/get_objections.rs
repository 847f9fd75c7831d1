//! Gets the signed-in person's objections that are in force.

use levqor_proto_compliance::v1::{GetObjectionsRequest, GetObjectionsResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Compliance, declaring,
    domain::{declaration::DeclarationKind, objection::standings},
    error::Error,
    store::declarations,
};

pub(super) async fn get_objections(
    compliance: &Compliance,
    ctx: Ctx,
    _: GetObjectionsRequest,
) -> Result<GetObjectionsResponse, Error> {
    let person = declaring::person(compliance, &ctx.actor);
    let mut conn = compliance.chassis.db.acquire().await?;
    let decisions = declarations::last(&mut conn, DeclarationKind::Objection, &person).await?;
    Ok(GetObjectionsResponse { standings: Some(standings(&decisions)) })
}
