//! Gets one breach, for staff.

use levqor_proto_compliance::v1::{GetBreachRequest, GetBreachResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, error::Error, store::breaches};

pub(super) async fn get_breach(
    compliance: &Compliance,
    _: Ctx,
    request: GetBreachRequest,
) -> Result<GetBreachResponse, Error> {
    let id = id("breach_id", &request.breach_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = breaches::get(&mut conn, id).await?.ok_or(Error::BreachNotFound)?;
    Ok(GetBreachResponse { breach: Some(found.into()) })
}
