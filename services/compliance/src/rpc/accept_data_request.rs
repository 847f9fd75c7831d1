//! Accepts a correction or a restriction, by staff. It takes effect in every service.

use levqor_proto_compliance::v1::{
    AcceptDataRequestRequest, AcceptDataRequestResponse, RunRectificationRequest,
};
use levqor_runtime::{
    context::{Ctx, Scope},
    deferred::defer,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::data_request::{Entitlement, Step},
    error::Error,
    holding, requests,
    store::{data_requests, rectifications},
};

pub(super) async fn accept_data_request(
    compliance: &Compliance,
    ctx: Ctx,
    request: AcceptDataRequestRequest,
) -> Result<AcceptDataRequestResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    mutate(compliance, &ctx, &request, async |tx| {
        let found = data_requests::lock(tx, &Scope::All, id).await?;
        let mut accepted = found.ok_or(Error::DataRequestNotFound)?;
        let now = tx.now().await?;
        accepted.take(Step::Accept, now)?;
        data_requests::update(tx, &accepted).await?;
        if accepted.entitlement == Entitlement::Restriction {
            holding::restrict(tx, &accepted, now).await?;
        } else {
            rectifications::insert(tx, id, now).await?;
            let run = RunRectificationRequest { data_request_id: id.to_string() };
            defer(tx, &run, format!("rectification:{id}")).await?;
        }
        let response = AcceptDataRequestResponse { data_request: Some(requests::shown(tx, accepted).await?) };
        Ok(Done::audited(response, "data_request.accept", &[("data_request_id", &id)]))
    })
    .await
}
