//! Creates a canned reply, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{CreateCannedReplyRequest, CreateCannedReplyResponse};
use levqor_runtime::{
    context::Ctx,
    error::Invalid,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::canned_reply::{CannedReply, CannedReplyId, Content},
    error::Error,
    store::canned_replies,
};

pub(super) async fn create_canned_reply(
    support: &Support,
    ctx: Ctx,
    request: CreateCannedReplyRequest,
) -> Result<CreateCannedReplyResponse, Error> {
    let content = Content::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let reply = CannedReply {
            id: CannedReplyId::new_at(now),
            name: content.name.as_str().to_owned(),
            text: content.text.as_str().to_owned(),
            create_time: now,
            update_time: now,
        };
        if !canned_replies::insert(tx, &reply).await? {
            return Err(Error::CannedReplyExists);
        }
        let id = reply.id;
        let response = CreateCannedReplyResponse { canned_reply: Some(reply.into()) };
        Ok(Done::audited(response, "canned_reply.create", &[("canned_reply_id", &id)]))
    })
    .await
}

impl TryFrom<&CreateCannedReplyRequest> for Content {
    type Error = Invalid;

    fn try_from(request: &CreateCannedReplyRequest) -> Result<Self, Invalid> {
        Self::of(&request.name, &request.text)
    }
}
