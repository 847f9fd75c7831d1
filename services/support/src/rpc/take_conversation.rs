//! Takes a conversation over from the assistant, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{TakeConversationRequest, TakeConversationResponse};
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
        plan::Plan,
        turn::{HandOffReason, Outcome, Turn},
    },
    error::Error,
    hand_off::hand_off,
    store::conversations,
    tickets,
};

pub(super) async fn take_conversation(
    support: &Support,
    ctx: Ctx,
    request: TakeConversationRequest,
) -> Result<TakeConversationResponse, Error> {
    let conversation_id: ConversationId = id("conversation_id", &request.conversation_id)?;
    mutate(support, &ctx, &request, async |tx| {
        let found = conversations::lock(tx, &claim_of_reader(&ctx, ""), conversation_id).await?;
        let mut conversation = found.ok_or(Error::ConversationNotFound)?;
        if conversation.state == State::WithPerson {
            return Err(Error::ConversationState);
        }
        let now = tx.now().await?;
        conversation.turn_count += 1;
        let mut turn = Turn::silent(conversation.turn_count, Outcome::HandedOff, String::new(), now);
        let (reason, staff) = (HandOffReason::Taken, tickets::staff(&ctx).map(str::to_owned));
        // A person is here already, so the plan of the customer does not matter.
        let plan = Plan::Starter;
        let ticket = hand_off(support, tx, &mut conversation, &mut turn, reason, plan, staff).await?;
        save(support, tx, &mut conversation, &turn).await?;
        conversations::update(tx, &conversation).await?;
        let response = TakeConversationResponse { conversation: Some((&conversation).into()) };
        let ids: [(&str, &dyn std::fmt::Display); 2] =
            [("conversation_id", &conversation_id), ("ticket_id", &ticket.id)];
        Ok(Done::audited(response, "conversation.take", &ids))
    })
    .await
}
