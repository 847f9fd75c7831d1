//! Deletes a canned reply, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{DeleteCannedReplyRequest, DeleteCannedReplyResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Support, domain::canned_reply::CannedReplyId, error::Error, store::canned_replies};

pub(super) async fn delete_canned_reply(
    support: &Support,
    ctx: Ctx,
    request: DeleteCannedReplyRequest,
) -> Result<DeleteCannedReplyResponse, Error> {
    let canned_reply_id: CannedReplyId = id("canned_reply_id", &request.canned_reply_id)?;
    mutate(support, &ctx, &request, async |tx| {
        if !canned_replies::delete(tx, canned_reply_id).await? {
            return Err(Error::CannedReplyNotFound);
        }
        let response = DeleteCannedReplyResponse {};
        Ok(Done::audited(response, "canned_reply.delete", &[("canned_reply_id", &canned_reply_id)]))
    })
    .await
}
