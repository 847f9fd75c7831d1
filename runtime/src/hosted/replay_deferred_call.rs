//! Makes a waiting or dead deferred call due now, for admins; recorded in the audit chain.

use std::sync::Arc;

use levqor_proto_runtime::v1::{ReplayDeferredCallRequest, ReplayDeferredCallResponse};

use super::{Error, Hosted};
use crate::{
    audit,
    context::Ctx,
    deferred::store,
    error::Violations,
    id,
    idempotency::{self, Claim},
    rpc::State,
    service::Service,
};

pub(super) async fn replay_deferred_call<S: Service>(
    hosted: Arc<Hosted<S>>,
    ctx: Ctx,
    request: ReplayDeferredCallRequest,
) -> Result<ReplayDeferredCallResponse, Error> {
    let mut violations = Violations::new();
    let work_id = id::parse(&request.deferred_call_id).ok();
    if work_id.is_none() {
        violations.add("deferred_call_id", "expected the id of a deferred call (a UUID)");
    }
    let work_id = violations.finish(work_id)?;
    let mut tx = hosted.chassis().db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let Some(row) = store::replay(&mut tx, work_id).await? else {
        let exists = store::exists(&mut tx, work_id).await?;
        return Err(if exists { Error::CallUnderWay } else { Error::NoSuchCall });
    };
    tx.mark_deferring();
    let response = ReplayDeferredCallResponse { deferred_call: Some(row.into()) };
    ticket.remember(&mut tx, &response).await?;
    let ids = [("deferred_call_id", request.deferred_call_id.as_str())];
    audit::append(&mut tx, &ctx.actor, "deferred_call.replay", &ids).await?;
    tx.commit().await?;
    Ok(response)
}
