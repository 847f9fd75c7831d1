//! Cancels a data request whose work has not begun, by its owner or by staff.

use levqor_proto_compliance::v1::{CancelDataRequestRequest, CancelDataRequestResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Compliance, domain::data_request::Step, error::Error, requests, store::data_requests};

pub(super) async fn cancel_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: CancelDataRequestRequest,
) -> Result<CancelDataRequestResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = data_requests::lock(tx, &ctx.scope(), id).await?;
        let mut cancelled = found.ok_or(Error::DataRequestNotFound)?;
        cancelled.take(Step::Cancel, tx.now().await?)?;
        data_requests::update(tx, &cancelled).await?;
        let response =
            CancelDataRequestResponse { data_request: Some(requests::shown(tx, cancelled).await?) };
        Ok(Done::audited(response, "data_request.cancel", &[("data_request_id", &id)]))
    })
    .await
}
