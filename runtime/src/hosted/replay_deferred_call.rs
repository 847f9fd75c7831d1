//! Makes a waiting or dead deferred call due now, for admins; recorded in the audit chain.

use levqor_proto_runtime::v1::{ReplayDeferredCallRequest, ReplayDeferredCallResponse};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    deferred::{
        notice,
        store::{self, CallId},
    },
    request::id,
    rpc::{Done, mutate},
    service::Service,
};

pub(super) async fn replay_deferred_call<S: Service>(
    hosted: &Hosted<S>,
    ctx: Ctx,
    request: ReplayDeferredCallRequest,
) -> Result<ReplayDeferredCallResponse, Error> {
    let call_id: CallId = id("deferred_call_id", &request.deferred_call_id)?;
    mutate(hosted, &ctx, &request, async |tx| {
        let Some(row) = store::replay(tx, call_id).await? else {
            let exists = store::exists(tx, call_id).await?;
            return Err(if exists { Error::CallUnderWay } else { Error::NoSuchCall });
        };
        tx.mark_deferring();
        notice::end(tx, S::NAME, call_id).await?;
        let response = ReplayDeferredCallResponse { deferred_call: Some(row.into()) };
        Ok(Done::audited(response, "deferred_call.replay", &[("deferred_call_id", &call_id)]))
    })
    .await
}
