//! `GetConversation`: a conversation is resumed by its owner, or by the token; staff read all.

use levqor_proto_support::v1::{
    GetConversationRequest, GetConversationResponse, RequestPersonRequest, turn::Outcome,
};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::{
    bench::{ANSWERED, Bench, NOT_KNOWN, ada, bob},
    model::{FakeModel, QUOTE, WRITTEN, asked, writes},
};

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
async fn a_conversation_of_a_thousand_messages_is_answered_listed_in_pages_and_can_be_handed_to_a_person() {
    let model = FakeModel::start(writes(WRITTEN, QUOTE)).await;
    let bench = model.bench().await;
    let chat = bench.chat(Caller::anonymous()).await;
    bench
        .execute(
            "INSERT INTO turns (conversation_id, position, customer_text, message_count, last_message_time, outcome, reply,
                 offers_person, not_helpful, source_slugs, source_headings, source_titles, source_article_ids, create_time)
             SELECT conversation_id, n, 'Message ' || n || repeat(' word', 780), 1, create_time, 'ACKNOWLEDGED', 'Reply ' || n,
                 false, false, '{}', '{}', '{}', '{}', create_time
             FROM conversations, generate_series(1, 999) AS n;
             UPDATE conversations SET message_count = 999, turn_count = 999",
        )
        .await;
    let turn = chat.say(ANSWERED).await;
    assert_eq!((turn.position, turn.outcome()), (1_000, Outcome::Answered), "{}", turn.reply);
    let [sent] = model.requests().await.try_into().expect("one request");
    let earlier = asked(&sent)["earlier"].as_array().expect("messages").clone();
    let begins = earlier.iter().filter_map(|text| text.as_str()?.split(" word").next().map(str::to_owned));
    assert_eq!(begins.collect::<Vec<_>>(), ["Message 997", "Message 998", "Message 999"]);
    assert!(sent.to_string().len() < 40_000, "{}", sent.to_string().len());

    let (mut seen, mut before) = (Vec::new(), 0);
    loop {
        let got = get(&bench, &Caller::anonymous(), &chat.id, &chat.token, before).await.expect("a page");
        let Some(first) = got.turns.first() else { break };
        assert!(got.turns.len() <= 100, "{}", got.turns.len());
        before = first.position;
        seen.extend(got.turns.iter().rev().map(|turn| turn.position));
    }
    assert_eq!(seen, (1..=1_000).rev().collect::<Vec<_>>());

    let full = refused(chat.post(ANSWERED).await);
    assert_eq!(reason(&full), "CONVERSATION_FULL");
    let request = RequestPersonRequest {
        conversation_id: chat.id.clone(),
        conversation_token: chat.token.clone(),
        ..RequestPersonRequest::default()
    };
    let mut client = bench.conversations();
    let handed = client.request_person(chat.caller.request(request.clone())).await.expect("a person");
    assert_eq!(handed.into_inner().turn.expect("a turn").outcome(), Outcome::HandedOff);
    let again = refused(client.request_person(chat.caller.request(request)).await);
    assert_eq!(reason(&again), "CONVERSATION_FULL", "once, so it does not grow without end");
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
