//! `CreateConversation`: it says at once that a program answers, and answers the first message with its source.

use levqor_proto_support::v1::{CreateConversationRequest, turn::Outcome};
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::{ANSWERED, Bench, ada};

#[tokio::test]
async fn a_conversation_begins_with_the_notice_that_a_program_answers() {
    let bench = Bench::start().await;
    let created =
        bench.create(&Caller::anonymous(), CreateConversationRequest::default()).await.expect("created");
    assert!(created.notice.contains("a program, not with a person"), "{}", created.notice);
    assert_eq!((created.conversation_token.len(), created.turn), (64, None));
    assert_eq!(bench.count("conversations WHERE token_hash IS NOT NULL AND owner_sub IS NULL").await, 1);
    let hers = bench.create(&ada(), CreateConversationRequest::default()).await.expect("created");
    assert_eq!(hers.conversation_token, "");
    assert_eq!(hers.conversation.expect("a conversation").customer_email, "ada@example.com");
}

#[tokio::test]
async fn the_first_question_is_answered_with_its_source() {
    let bench = Bench::start().await;
    let request = CreateConversationRequest { text: ANSWERED.to_owned(), ..Default::default() };
    let turn = bench.create(&Caller::anonymous(), request).await.expect("created").turn.expect("a turn");
    assert_eq!(turn.outcome(), Outcome::Answered, "{}", turn.reply);
    let [source] = turn.sources.as_slice() else { panic!("one source: {:?}", turn.sources) };
    assert_eq!(source.slug, "delivery-times-and-late-orders");
    assert_eq!(source.url, "https://www.levqor.ai/help/delivery-times-and-late-orders");
    assert!(turn.reply.contains("It begins when you submit the complete intake form"), "{}", turn.reply);
}

#[tokio::test]
async fn a_request_that_is_not_fit_is_refused_with_all_its_mistakes() {
    let bench = Bench::start().await;
    let request = CreateConversationRequest {
        text: "x".repeat(4_001),
        customer_name: "n".repeat(201),
        customer_email: "ada".to_owned(),
    };
    let status = refused(bench.create(&Caller::anonymous(), request).await);
    assert_eq!(violated(&status), ["text", "customer_name", "customer_email"]);
}
