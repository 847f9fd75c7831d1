//! Gets what an erasure would do now, in every service. It changes nothing but the identifiers that the services know.

use levqor_proto_compliance::v1::{GetErasurePreviewRequest, GetErasurePreviewResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{
    Compliance,
    domain::data_request::{Entitlement, IllegalStep, Step},
    error::Error,
    peers::Peers,
    store::data_requests,
};

pub(super) async fn get_erasure_preview(
    compliance: &Compliance,
    ctx: Ctx,
    request: GetErasurePreviewRequest,
) -> Result<GetErasurePreviewResponse, Error> {
    let id = id("data_request_id", &request.data_request_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let found = data_requests::get(&mut conn, &ctx.scope(), id).await?.ok_or(Error::DataRequestNotFound)?;
    drop(conn);
    if found.entitlement != Entitlement::Erasure || found.state.is_over() {
        return Err(IllegalStep { step: Step::Approve }.into());
    }
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let known = peers.resolve(found.subject).await?;
    let preview = peers.preview(&known).await?;
    Ok(GetErasurePreviewResponse {
        plans: preview.plans(),
        obstacles: preview.obstacles(),
        preview_hash: preview.hash(),
        data_request_id: found.id.to_string(),
    })
}
