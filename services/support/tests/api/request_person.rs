//! `RequestPerson`: the button beside the chat. It takes the address to which the replies go.

use levqor_proto_support::v1::{RequestPersonRequest, Turn, turn::Outcome};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, Chat, NOBODYS};

async fn request(bench: &Bench, chat: &Chat<'_>, email: &str) -> Turn {
    let request = RequestPersonRequest {
        conversation_id: chat.id.clone(),
        conversation_token: chat.token.clone(),
        customer_name: "Grace".to_owned(),
        customer_email: email.to_owned(),
    };
    let response =
        bench.conversations().request_person(chat.caller.request(request)).await.expect("a person");
    response.into_inner().turn.expect("a turn")
}

#[tokio::test]
async fn a_visitor_gets_a_ticket_first_and_may_give_the_address_later() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    let turn = request(&bench, &chat, "").await;
    assert_eq!(turn.outcome(), Outcome::HandedOff);
    assert!(turn.reply.contains("give us your address"), "{}", turn.reply);
    assert!(bench.mails().await.is_empty());

    let turn = request(&bench, &chat, "grace@example.com").await;
    assert_eq!(turn.outcome(), Outcome::Forwarded);
    assert!(turn.reply.contains("LQ-1001") && turn.reply.contains("by mail"), "{}", turn.reply);
    let mails = bench.mails().await;
    assert_eq!(mails.iter().map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(), ["grace@example.com"]);
    assert_eq!(
        bench.count("tickets WHERE customer_email = 'grace@example.com' AND NOT customer_verified").await,
        1
    );

    // A known address is not replaced, and no second mail is sent.
    request(&bench, &chat, "mallory@example.com").await;
    assert_eq!((bench.mails().await.len(), bench.count("tickets").await), (1, 1));
}

#[tokio::test]
async fn an_address_that_visitors_type_is_mailed_three_times_a_day() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        let chat = bench.chat(Caller::anonymous()).await;
        let turn = request(&bench, &chat, "grace@example.com").await;
        assert_eq!(turn.outcome(), Outcome::HandedOff);
    }
    assert_eq!((bench.mails().await.len(), bench.count("tickets").await), (3, 5));
}

#[tokio::test]
async fn a_conversation_that_is_not_there_has_no_person() {
    let bench = Bench::start().await;
    let request = RequestPersonRequest { conversation_id: NOBODYS.to_owned(), ..Default::default() };
    let status = refused(bench.conversations().request_person(Caller::staff().request(request)).await);
    assert_eq!(reason(&status), "CONVERSATION_NOT_FOUND");
}
