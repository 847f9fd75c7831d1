//! The assistant answers signed-in customers from their own orders, subscription and tickets: read with their own token, and never those
//! of anybody else.

use levqor_proto_billing::v1::subscription::Plan;
use levqor_proto_support::v1::{CreateConversationRequest, turn::Outcome};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use wiremock::Request;

use crate::{
    bench::{ANSWERED, Bench, FakeBilling, ada, bob},
    model::{FakeModel, asked, completion},
};

/// The assistant's reply to the first message of this caller.
async fn reply(bench: &Bench, caller: &Caller, text: &str) -> (Outcome, String) {
    let request = CreateConversationRequest { text: text.to_owned(), ..Default::default() };
    let turn = bench.create(caller, request).await.expect("answered").turn.expect("a turn");
    (turn.outcome(), turn.reply)
}

#[tokio::test]
async fn a_signed_in_customer_is_answered_from_their_own_account() {
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    let ticket = bench.ticket(&ada(), "My robot squeaks").await;
    for (question, words) in [
        ("Where is my order?", "Your Professional order"),
        ("Where is my order?", "is in progress"),
        ("What plan am I on?", "You are on the Growth plan, paid monthly."),
        ("When does my subscription renew?", "It renews on 1 January 2028."),
        ("What about my ticket?", ticket.number.as_str()),
        ("What about my ticket?", " waits for our team."),
    ] {
        let (outcome, reply) = reply(&bench, &ada(), question).await;
        assert_eq!(outcome, Outcome::OwnData, "{question}: {reply}");
        assert!(reply.starts_with("From your own account (") && reply.contains(words), "{question}: {reply}");
        assert!(!reply.contains("squeaks"), "a stranger may have typed the subject: {reply}");
    }
    // The same in a longer conversation, whole and after another question.
    let chat = bench.chat(bob()).await;
    assert_eq!(chat.say("Which wine goes well with grilled salmon?").await.outcome(), Outcome::NotKnown);
    let turn = chat.say("Where is my order?").await;
    assert!(
        turn.reply.contains("Your Enterprise order") && turn.outcome() == Outcome::OwnData,
        "{}",
        turn.reply
    );
    let turn = chat.say("What about my ticket?").await;
    assert!(turn.reply.contains("You have no tickets."), "Ada's is not his: {}", turn.reply);
    let nobody = Caller::customer("eve", "eve@example.com");
    let (_, reply) = reply(&bench, &nobody, "What plan am I on?").await;
    assert!(reply.contains("You have no subscription."), "{reply}");
}

#[tokio::test]
async fn a_customer_without_a_login_is_asked_to_sign_in_and_staff_see_no_data_in_the_chat() {
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    for caller in [Caller::anonymous(), Caller::staff()] {
        for question in ["Where is my order?", "What plan am I on?", "What about my ticket?"] {
            let (outcome, reply) = reply(&bench, &caller, question).await;
            assert!(reply.contains("Sign in at https://www.levqor.ai"), "{question}: {reply}");
            assert!(outcome != Outcome::OwnData && !reply.contains("From your own account"), "{reply}");
        }
    }
    // A visitor's conversation can be read by everybody who has its token, so it never gets a customer's data.
    let chat = bench.chat(Caller::anonymous()).await;
    let message = ada().request(chat.message("Where is my order?"));
    let turn = bench.conversations().post_message(message).await.expect("answered").into_inner().turn;
    assert!(turn.expect("a turn").reply.contains("Sign in at"));
}

#[tokio::test]
async fn an_account_without_a_proven_address_gets_nothing_of_the_addresses_owner() {
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    bench.ticket(&ada(), "My robot squeaks").await;
    let mallory = Caller::unverified("mallory", "ada@example.com");
    for (question, words) in [
        ("Where is my order?", "There are no orders in your account."),
        ("What plan am I on?", "You have no subscription."),
        ("What about my ticket?", "You have no tickets."),
    ] {
        let (_, reply) = reply(&bench, &mallory, question).await;
        assert!(reply.contains(words), "{question}: {reply}");
    }
}

#[tokio::test]
async fn while_billing_does_not_answer_the_reply_says_so_and_offers_a_person() {
    let bench = Bench::start().await;
    let chat = bench.chat(ada()).await;
    let turn = chat.say("Where is my order?").await;
    assert_eq!((turn.outcome(), turn.offers_person), (Outcome::NotKnown, true), "{}", turn.reply);
    assert!(turn.reply.starts_with("I cannot look at your orders right now"), "{}", turn.reply);
    assert_eq!(chat.say("yes please").await.outcome(), Outcome::HandedOff);
    // Tickets are support's own.
    let chat = bench.chat(bob()).await;
    assert_eq!(chat.say("What about my ticket?").await.outcome(), Outcome::OwnData);
}

#[tokio::test]
async fn the_model_gets_the_data_as_a_masked_passage_and_must_name_it() {
    // It answers from the passage of the account, if there is one.
    let answers = |request: &Request| {
        let asked = asked(&request.body_json().expect("JSON"));
        let passages = asked["passages"].as_array().expect("passages").clone();
        let account = passages.iter().find(|passage| passage["article"] == "Your account");
        let statements: Vec<Value> = account
            .iter()
            .map(|account| {
                let text = account["text"].as_str().expect("a text");
                let first = text.split(". ").next().expect("a sentence");
                json!({"text": format!("{first}."), "passage": account["number"], "quote": first})
            })
            .collect();
        completion(&json!({"answered": !statements.is_empty(), "statements": statements}).to_string())
    };
    let model = FakeModel::start(answers).await;
    let bench = model.bench().await;
    let ticket = bench.ticket(&ada(), "Write to ada@example.com").await;
    let (outcome, reply) = reply(&bench, &ada(), "What about my ticket?").await;
    assert_eq!(outcome, Outcome::OwnData, "{reply}");
    assert!(reply.contains("An AI wrote this from your own account"), "{reply}");
    assert!(reply.contains(&ticket.number), "it is put back: {reply}");
    let sent = asked(&model.requests().await[0]).to_string();
    assert!(sent.contains("Your account") && sent.contains("[ID_"), "{sent}");
    assert!(!sent.contains(&ticket.number) && !sent.contains("ada@example.com"), "{sent}");
    // A question about the rules sends nothing of the account.
    self::reply(&bench, &ada(), ANSWERED).await;
    let last = model.requests().await.pop().expect("a request").to_string();
    assert!(last.contains("intake") && !last.contains("Your account\\\""), "{last}");
}

#[tokio::test]
async fn an_answer_of_the_model_that_does_not_name_the_account_is_replaced_by_the_data() {
    let model = FakeModel::start(completion(r#"{"answered": false, "statements": []}"#)).await;
    let bench = model.bench().await;
    bench.ticket(&ada(), "My robot squeaks").await;
    let (outcome, reply) = reply(&bench, &ada(), "What about my ticket?").await;
    assert_eq!(outcome, Outcome::OwnData, "{reply}");
    assert!(
        reply.starts_with("From your own account (tickets):") && reply.contains("waits for our team"),
        "{reply}"
    );
}
