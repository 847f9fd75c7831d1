//! Gets a conversation with its latest turns. For everybody but its owner, the holder of its token, and staff, it does not exist.

use levqor_proto_support::v1::{GetConversationRequest, GetConversationResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Support,
    conversations::claim_of_reader,
    domain::conversation::ConversationId,
    error::Error,
    store::{conversations, turns},
};

/// The most turns of an answer.
const MOST_TURNS: i64 = 100;

pub(super) async fn get_conversation(
    support: &Support,
    ctx: Ctx,
    request: GetConversationRequest,
) -> Result<GetConversationResponse, Error> {
    let Query { id, before } = Query::try_from(&request)?;
    let claim = claim_of_reader(&ctx, &request.conversation_token);
    let mut conn = support.chassis.db.acquire().await?;
    let conversation = conversations::get(&mut conn, &claim, id).await?.ok_or(Error::ConversationNotFound)?;
    let mut turns = turns::last(&mut conn, id, before, MOST_TURNS).await?;
    turns.reverse();
    Ok(GetConversationResponse {
        conversation: Some((&conversation).into()),
        turns: turns.iter().map(|turn| turn.to_wire(&support.config.site)).collect(),
    })
}

struct Query {
    id: ConversationId,
    before: i32,
}

impl TryFrom<&GetConversationRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &GetConversationRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = violations.field("conversation_id", &request.conversation_id);
        let before = match request.before_position {
            0 => i32::MAX,
            position => position,
        };
        if before < 0 {
            violations.add("before_position", "expected 0 or more");
        }
        violations.finish(id.map(|id| Self { id, before }))
    }
}
