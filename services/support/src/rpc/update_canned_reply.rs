//! Updates a canned reply, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{UpdateCannedReplyRequest, UpdateCannedReplyResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::canned_reply::{CannedReplyId, Content},
    error::Error,
    store::canned_replies,
};

pub(super) async fn update_canned_reply(
    support: &Support,
    ctx: Ctx,
    request: UpdateCannedReplyRequest,
) -> Result<UpdateCannedReplyResponse, Error> {
    let Command { id, content } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        let mut reply = canned_replies::lock(tx, id).await?.ok_or(Error::CannedReplyNotFound)?;
        reply.name = content.name.as_str().to_owned();
        reply.text = content.text.as_str().to_owned();
        reply.update_time = tx.now().await?;
        if !canned_replies::update(tx, &reply).await? {
            return Err(Error::CannedReplyExists);
        }
        let response = UpdateCannedReplyResponse { canned_reply: Some(reply.into()) };
        Ok(Done::audited(response, "canned_reply.update", &[("canned_reply_id", &id)]))
    })
    .await
}

struct Command {
    id: CannedReplyId,
    content: Content,
}

impl TryFrom<&UpdateCannedReplyRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UpdateCannedReplyRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("canned_reply_id", &request.canned_reply_id);
        let content = Content::read(&mut violations, &request.name, &request.text);
        violations.finish(id.zip(content).map(|(id, content)| Self { id, content }))
    }
}
