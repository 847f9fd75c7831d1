//! `PostMessage`: the customer gets an answer with its source, or a person; only the owner of a conversation can use it.

use chrono::TimeDelta;
use levqor_proto_billing::v1::subscription::Plan;
use levqor_proto_mail::v1::{OperatorNoticeKind, OperatorNoticeSeverity};
use levqor_proto_support::v1::{
    CreateConversationRequest,
    conversation::State,
    turn::{HandOffReason, Outcome},
};
use levqor_runtime::{
    db::migrations,
    testing::{self, Caller, TestService, eventually, reason, refused, violated},
};
use tonic::Code;

use crate::bench::{
    ANSWERED, Bench, Chat, FakeBilling, FakeCompliance, NOT_KNOWN, NOT_KNOWN_EITHER, ada, bob,
};

#[tokio::test]
async fn a_request_for_a_person_opens_a_ticket_in_the_same_turn_and_operators_get_one_notice() {
    let bench = Bench::start().await;
    let chat = bench.chat(ada()).await;
    chat.say(ANSWERED).await;
    let (turn, conversation) = chat.say_and_see("Can I speak to a real person please?").await;
    assert_eq!((turn.outcome(), turn.hand_off_reason()), (Outcome::HandedOff, HandOffReason::Asked));
    assert_eq!(conversation.state(), State::WithPerson);
    assert!(turn.reply.contains("LQ-1001") && turn.reply.contains("London time"), "{}", turn.reply);
    let shown = bench.shown(&Caller::staff(), &conversation.ticket_id).await.expect("a ticket");
    let said: Vec<_> = shown.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((said.len(), said[0], said[2]), (3, ANSWERED, "Can I speak to a real person please?"));
    assert_eq!(shown.ticket.expect("a ticket").subject, ANSWERED);
    assert_eq!(bench.mails().await.len(), 1, "she is told by mail");
    assert_eq!(chat.say("It is urgent").await.outcome(), Outcome::Forwarded);
    let notices = bench.notices().await;
    let abouts: std::collections::BTreeSet<_> = notices.iter().map(|notice| &notice.about).collect();
    assert!(notices.iter().all(|notice| notice.kind() == OperatorNoticeKind::Ticket));
    assert_eq!((notices.len(), abouts.len()), (2, 1), "one notice, which counts the second message");
}

#[tokio::test]
async fn operators_get_one_notice_a_day_of_a_conversation_with_a_term_that_only_warns() {
    let compliance = FakeCompliance::start().await;
    let bench = Bench::start_set(&[("LEVQOR_COMPLIANCE_ADDR", &compliance.address)]).await;
    let chat = bench.chat(ada()).await;
    // On a busy machine the screen may give no answer in time, which is another notice.
    let told = async || {
        chat.say("Our solicitor will call.").await;
        let of_term = bench.warnings().await.into_iter().filter(|notice| notice.about.contains(":LEGAL:"));
        of_term.map(|notice| notice.about).collect::<Vec<_>>()
    };
    eventually("operators are told", || async { (!told().await.is_empty()).then_some(()) }).await;
    for _ in 0..3 {
        let abouts = told().await;
        let days: std::collections::BTreeSet<_> = abouts.iter().collect();
        assert_eq!(abouts.len(), days.len(), "{abouts:?}");
        let of_chat = format!("conversation:{}:", chat.id);
        assert!(abouts.iter().all(|about| about.starts_with(&of_chat)), "{abouts:?}");
    }
}

#[tokio::test]
async fn only_the_rules_hand_a_conversation_to_a_person() {
    let bench = Bench::start().await;
    for (messages, expected) in [
        (&["I want my money back"][..], HandOffReason::MoneyBack),
        (&["this is ridiculous"], HandOffReason::Anger),
        (&[NOT_KNOWN, NOT_KNOWN_EITHER], HandOffReason::NoAnswer),
        (&[NOT_KNOWN, "yes please"], HandOffReason::Asked),
        (&[ANSWERED, "That does not help", "wrong answer"], HandOffReason::NotHelpful),
    ] {
        let chat = bench.chat(Caller::anonymous()).await;
        let (last, before) = messages.split_last().expect("messages");
        for message in before {
            assert_ne!(chat.say(message).await.outcome(), Outcome::HandedOff, "{message}");
        }
        let turn = chat.say(last).await;
        assert_eq!((turn.outcome(), turn.hand_off_reason()), (Outcome::HandedOff, expected), "{messages:?}");
    }
    let chat = bench.chat(Caller::anonymous()).await;
    assert_eq!(chat.say("Hello!").await.outcome(), Outcome::Acknowledged);
    let turn = chat.say(NOT_KNOWN).await;
    assert!(
        turn.offers_person && turn.sources.is_empty() && turn.reply.contains("I do not know"),
        "{}",
        turn.reply
    );
}

#[tokio::test]
async fn every_message_is_screened_whatever_answers_it() {
    // No compliance runs here, so operators get a notice of each text that was not screened.
    let bench = Bench::start().await;
    let request = CreateConversationRequest { text: "Hello!".to_owned(), ..Default::default() };
    bench.create(&Caller::anonymous(), request).await.expect("created");
    let chat = bench.chat(ada()).await;
    for (before, text) in (1..).zip(["Hello!", ANSWERED, "Where is my order?", "I want a human", "Thanks!"]) {
        assert_eq!(bench.warnings().await.len(), before, "before {text}");
        chat.say(text).await;
        assert_eq!(bench.warnings().await.len(), before + 1, "{text}");
    }
}

#[tokio::test]
async fn a_message_with_high_risk_data_is_refused_unless_it_asks_for_a_person() {
    let compliance = FakeCompliance::start().await;
    let bench = Bench::start_set(&[("LEVQOR_COMPLIANCE_ADDR", &compliance.address)]).await;
    let text = "Sort our patient records.";
    // On a busy machine the screen may not answer in time: then a message is taken with another warning.
    let id = eventually("the message is refused", || async {
        let chat = bench.chat(Caller::anonymous()).await;
        let status = chat.post(text).await.err()?;
        assert_eq!(reason(&status), "HIGH_RISK_DATA");
        Some(chat.id)
    })
    .await;
    assert_eq!(bench.count(&format!("turns WHERE conversation_id = '{id}'")).await, 0, "nothing is stored");
    let asks = format!("{text} I want to talk to a person.");
    let told = eventually("operators are told", || async {
        let chat = bench.chat(Caller::anonymous()).await;
        let turn = chat.post(&asks).await.expect("taken").turn.expect("a turn");
        assert_eq!(turn.outcome(), Outcome::HandedOff);
        let about = format!("conversation:{}:blocked:MEDICAL:", chat.id);
        bench.warnings().await.into_iter().find(|notice| notice.about.starts_with(&about))
    })
    .await;
    assert_eq!(told.severity(), OperatorNoticeSeverity::Warning);
}

#[tokio::test]
async fn five_messages_in_a_second_are_one_turn() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    bench.stop_time().await;
    let texts = ["Hello", "I have a question", "about the delivery", "when does its time begin", "please"];
    let answers = texts.map(|text| chat.post(text));
    for answer in answers {
        answer.await.expect("answered");
    }
    assert_eq!(bench.count("turns").await, 1);
    assert_eq!(bench.count("turns WHERE message_count = 5 AND outcome = 'ANSWERED'").await, 1);
}

#[tokio::test]
async fn five_messages_at_once_are_one_turn() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    bench.stop_time().await;
    let texts = ["I have a question", "about the delivery", "of an order", "when does", "its time begin"];
    let answers = futures_util::future::join_all(texts.map(|text| chat.post(text))).await;
    for answer in answers {
        answer.expect("answered");
    }
    assert_eq!(bench.count("turns WHERE message_count = 5").await, 1);
    assert_eq!(bench.count("turns").await, 1);
}

#[tokio::test]
async fn a_conversation_is_visible_to_its_owner_only() {
    let bench = Bench::start().await;
    let (guests, adas) = (bench.chat(Caller::anonymous()).await, bench.chat(ada()).await);
    let stranger = |chat: &Chat<'_>, caller: Caller, token: &str| {
        let mut message = chat.message(ANSWERED);
        token.clone_into(&mut message.conversation_token);
        let (mut client, request) = (bench.conversations(), caller.request(message));
        async move { client.post_message(request).await }
    };
    for (chat, caller, token) in [
        (&guests, Caller::anonymous(), ""),
        (&guests, Caller::anonymous(), "0".repeat(64).as_str()),
        (&guests, bob(), ""),
        (&guests, Caller::staff(), ""),
        (&adas, Caller::anonymous(), ""),
        (&adas, bob(), guests.token.as_str()),
    ] {
        let status = refused(stranger(chat, caller, token).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "CONVERSATION_NOT_FOUND"));
    }
    assert_eq!(guests.say(ANSWERED).await.outcome(), Outcome::Answered);
    assert_eq!(adas.say(ANSWERED).await.outcome(), Outcome::Answered);
}

#[tokio::test]
async fn a_conversation_has_a_thousand_messages_and_a_message_four_thousand_characters() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    bench.execute("UPDATE conversations SET message_count = 999, turn_count = 999").await;
    assert_eq!(chat.say(ANSWERED).await.position, 1_000);
    let status = refused(chat.post(ANSWERED).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "CONVERSATION_FULL"));
    let other = bench.chat(Caller::anonymous()).await;
    assert_eq!(violated(&refused(other.post(&"x".repeat(1 << 20)).await)), ["text"]);
}

#[tokio::test]
async fn the_same_key_is_the_same_turn() {
    let bench = Bench::start().await;
    let chat = bench.chat(ada()).await;
    let keyed = ada().with_key("k");
    let mut client = bench.conversations();
    let first =
        client.post_message(keyed.request(chat.message(ANSWERED))).await.expect("answered").into_inner();
    bench.advance(TimeDelta::minutes(1)).await;
    let again =
        client.post_message(keyed.request(chat.message(ANSWERED))).await.expect("answered").into_inner();
    assert_eq!(first.turn, again.turn);
    assert_eq!(bench.count("turns").await, 1);
}

#[tokio::test]
async fn a_word_with_a_typing_error_finds_its_article() {
    let bench = Bench::start().await;
    let text = "is my delivary late or overdue?".to_owned();
    let request = CreateConversationRequest { text, ..Default::default() };
    let turn = bench.create(&Caller::anonymous(), request).await.expect("created").turn.expect("a turn");
    assert_eq!(turn.sources[0].slug, "delivery-times-and-late-orders");
}

#[tokio::test]
async fn on_a_server_without_pg_trgm_questions_are_answered_too() {
    let url = testing::empty_database().await;
    // As for a user who may create no extension.
    let refuse = "
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no extensions' USING ERRCODE = 'insufficient_privilege'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION refuse()";
    testing::execute(&testing::connect(&url), refuse).await;
    migrations::migrate(&url, &levqor_support::MIGRATOR).await.expect("migrated");
    let bench = Bench { service: TestService::start_on(url, &[]).await };
    assert_eq!(bench.count("pg_extension WHERE extname = 'pg_trgm'").await, 0);
    let chat = bench.chat(Caller::anonymous()).await;
    let turn = chat.say(ANSWERED).await;
    assert_eq!(turn.outcome(), Outcome::Answered, "{}", turn.reply);
    assert_eq!(turn.sources[0].slug, "delivery-times-and-late-orders");
    // A typing error is not mended, and nothing fails.
    let turn = chat.say("is my delivary laet?").await;
    assert_eq!(turn.outcome(), Outcome::NotKnown, "{}", turn.reply);
}

/// A question whose best passage has placeholders of billing's price list.
const DELIVERY_TIME: &str = "How long does delivery take?";

#[tokio::test]
async fn answers_take_the_delivery_time_from_the_price_list() {
    let billing = FakeBilling::start(Plan::Starter).await;
    let bench = Bench::start_with(&billing).await;
    let turn = bench.chat(Caller::anonymous()).await.say(DELIVERY_TIME).await;
    assert_eq!((turn.outcome(), turn.offers_person), (Outcome::Answered, false), "{}", turn.reply);
    let source = &turn.sources[0];
    assert_eq!(
        (source.slug.as_str(), source.heading.as_str()),
        ("delivery-times-and-late-orders", "How long it takes")
    );
    assert!(turn.reply.contains("Starter: 4 days"), "{}", turn.reply);
}

#[tokio::test]
async fn without_the_price_list_another_passage_of_the_article_is_quoted_and_it_says_so() {
    let bench = Bench::start().await;
    let turn = bench.chat(Caller::anonymous()).await.say(DELIVERY_TIME).await;
    assert_eq!((turn.outcome(), turn.offers_person), (Outcome::Answered, true), "{}", turn.reply);
    let source = &turn.sources[0];
    assert_eq!(source.slug, "delivery-times-and-late-orders");
    assert_ne!(source.heading, "How long it takes", "its placeholders cannot be filled");
    assert!(
        turn.reply.starts_with("I cannot look up some of the figures") && !turn.reply.contains("{{"),
        "{}",
        turn.reply
    );
}
