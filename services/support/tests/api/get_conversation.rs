//! `GetConversation`: a conversation is resumed by its owner, or by the token; staff read all.

use levqor_proto_support::v1::{GetConversationRequest, GetConversationResponse};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::bench::{ANSWERED, Bench, NOT_KNOWN, ada, bob};

async fn get(
    bench: &Bench,
    caller: &Caller,
    id: &str,
    token: &str,
    before: i32,
) -> Result<GetConversationResponse, Status> {
    let request = GetConversationRequest {
        conversation_id: id.to_owned(),
        conversation_token: token.to_owned(),
        before_position: before,
    };
    Ok(bench.conversations().get_conversation(caller.request(request)).await?.into_inner())
}

#[tokio::test]
async fn a_conversation_is_resumed_with_its_turns_in_order() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    chat.say(ANSWERED).await;
    chat.say(NOT_KNOWN).await;
    let got = get(&bench, &Caller::anonymous(), &chat.id, &chat.token, 0).await.expect("a conversation");
    let texts: Vec<_> = got.turns.iter().map(|turn| (turn.position, turn.customer_text.as_str())).collect();
    assert_eq!(texts, [(1, ANSWERED), (2, NOT_KNOWN)]);
    let earlier = get(&bench, &Caller::staff(), &chat.id, "", 2).await.expect("a conversation");
    assert_eq!(earlier.turns.len(), 1);
    let negative = refused(get(&bench, &Caller::staff(), &chat.id, "", -1).await);
    assert_eq!(violated(&negative), ["before_position"]);
}

#[tokio::test]
async fn for_others_it_does_not_exist() {
    let bench = Bench::start().await;
    let chat = bench.chat(ada()).await;
    assert!(get(&bench, &ada(), &chat.id, "", 0).await.is_ok());
    for other in [bob(), Caller::anonymous(), Caller::unverified("eve", "ada@example.com")] {
        let status = refused(get(&bench, &other, &chat.id, "", 0).await);
        assert_eq!(reason(&status), "CONVERSATION_NOT_FOUND");
    }
}
