//! `ReturnConversation`: after it the assistant answers again, and does not hand over at once.

use levqor_proto_support::v1::{ReturnConversationRequest, conversation::State, turn::Outcome};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{ANSWERED, Bench, NOT_KNOWN, NOT_KNOWN_EITHER};

#[tokio::test]
async fn the_assistant_answers_again_and_hands_over_only_for_a_new_reason() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    chat.say(NOT_KNOWN).await;
    let (turn, handed) = chat.say_and_see(NOT_KNOWN_EITHER).await;
    assert_eq!(turn.outcome(), Outcome::HandedOff);
    let request = || Caller::staff().request(ReturnConversationRequest { conversation_id: chat.id.clone() });
    let returned = bench.conversations().return_conversation(request()).await.expect("returned").into_inner();
    assert_eq!(returned.conversation.expect("a conversation").state(), State::WithAssistant);
    assert_eq!(chat.say(NOT_KNOWN).await.outcome(), Outcome::NotKnown, "the count begins anew");
    assert_eq!(chat.say(ANSWERED).await.outcome(), Outcome::Answered);
    // The second hand-off continues the ticket.
    let (turn, conversation) = chat.say_and_see("I want a human").await;
    assert_eq!((turn.outcome(), conversation.ticket_id), (Outcome::HandedOff, handed.ticket_id));
    assert_eq!(bench.count("tickets").await, 1);
    bench.conversations().return_conversation(request()).await.expect("returned");
    let status = refused(bench.conversations().return_conversation(request()).await);
    assert_eq!(reason(&status), "CONVERSATION_STATE");
}
