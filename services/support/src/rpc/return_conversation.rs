//! Returns a conversation to the assistant, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{ReturnConversationRequest, ReturnConversationResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    conversations::{claim_of_reader, save},
    domain::{
        conversation::{ConversationId, State},
        reply,
        turn::{Outcome, Turn},
    },
    error::Error,
    store::conversations,
};

pub(super) async fn return_conversation(
    support: &Support,
    ctx: Ctx,
    request: ReturnConversationRequest,
) -> Result<ReturnConversationResponse, Error> {
    let conversation_id: ConversationId = id("conversation_id", &request.conversation_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let found = conversations::lock(tx, &claim_of_reader(&ctx, ""), conversation_id).await?;
        let mut conversation = found.ok_or(Error::ConversationNotFound)?;
        if conversation.state == State::WithAssistant {
            return Err(Error::ConversationState);
        }
        conversation.state = State::WithAssistant;
        conversation.turn_count += 1;
        let now = tx.now().await?;
        let turn = Turn::silent(conversation.turn_count, Outcome::Returned, reply::RETURNED.to_owned(), now);
        save(support, tx, &mut conversation, &turn).await?;
        conversations::update(tx, &conversation).await?;
        let response = ReturnConversationResponse { conversation: Some((&conversation).into()) };
        Ok(Done::audited(response, "conversation.return", &[("conversation_id", &conversation_id)]))
    })
    .await
}
