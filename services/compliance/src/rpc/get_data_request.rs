//! Gets one data request. Customers get `NOT_FOUND` for the request of another person.

use levqor_proto_compliance::v1::{GetDataRequestRequest, GetDataRequestResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{Compliance, error::Error, requests, store::data_requests};

pub(super) async fn get_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: GetDataRequestRequest,
) -> Result<GetDataRequestResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = data_requests::get(&mut conn, &ctx.scope(), id).await?.ok_or(Error::DataRequestNotFound)?;
    Ok(GetDataRequestResponse { data_request: Some(requests::shown(&mut conn, found).await?) })
}
