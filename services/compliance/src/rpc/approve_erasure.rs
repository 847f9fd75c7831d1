//! Approves an erasure as its preview showed it, by its owner or by staff. The services are asked again before the transaction: if they
//! would do something else by now, the approval is refused.

use levqor_proto_compliance::v1::{ApproveErasureRequest, ApproveErasureResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    domain::data_request::Step,
    error::Error,
    mails,
    peers::Peers,
    requests,
    store::{data_requests, erasures},
};

pub(super) async fn approve_erasure(
    compliance: &Compliance,
    ctx: Ctx,
    request: ApproveErasureRequest,
) -> Result<ApproveErasureResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let scope = ctx.scope();
    let mut conn = compliance.chassis.db.acquire().await?;
    let mut found = data_requests::get(&mut conn, &scope, id).await?.ok_or(Error::DataRequestNotFound)?;
    drop(conn);
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let known = peers.resolve(std::mem::take(&mut found.subject)).await?;
    let hash = peers.preview(&known).await?.hash();
    mutate(compliance, &ctx, &request, async |tx| {
        let mut approved = data_requests::lock(tx, &scope, id).await?.ok_or(Error::DataRequestNotFound)?;
        let now = tx.now().await?;
        approved.take(Step::Approve, now)?;
        if hash != request.preview_hash {
            return Err(Error::PreviewStale);
        }
        approved.subject = known;
        data_requests::update(tx, &approved).await?;
        erasures::insert(tx, id, &hash, now).await?;
        mails::approved(tx, &approved).await?;
        let response = ApproveErasureResponse { data_request: Some(requests::shown(tx, approved).await?) };
        Ok(Done::audited(response, "data_request.approve", &[("data_request_id", &id)]))
    })
    .await
}
