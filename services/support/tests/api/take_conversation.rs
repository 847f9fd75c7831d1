//! `TakeConversation`: staff take over a conversation, whatever the assistant answered.

use levqor_proto_support::v1::{Conversation, TakeConversationRequest, conversation::State, turn::Outcome};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::bench::{ANSWERED, Bench};

impl Bench {
    pub(crate) async fn take(&self, conversation_id: &str) -> Result<Conversation, Status> {
        let request = TakeConversationRequest { conversation_id: conversation_id.to_owned() };
        let taken = self.conversations().take_conversation(Caller::staff().request(request)).await?;
        Ok(taken.into_inner().conversation.expect("a conversation"))
    }
}

#[tokio::test]
async fn staff_take_a_conversation_and_the_assistant_is_silent() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    chat.say(ANSWERED).await;
    let taken = bench.take(&chat.id).await.expect("taken");
    assert_eq!(taken.state(), State::WithPerson);
    assert_eq!(bench.count("tickets WHERE assignee = 'staff' AND hand_off_reason = 'TAKEN'").await, 1);
    assert_eq!(chat.say(ANSWERED).await.outcome(), Outcome::Forwarded);
    assert_eq!(reason(&refused(bench.take(&chat.id).await)), "CONVERSATION_STATE");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'conversation.take'").await, 1);
}
