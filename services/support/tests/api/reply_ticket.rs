//! `ReplyTicket`: a reply of staff goes out by mail and is shown in the chat; a reply of the customer opens the ticket again.

use levqor_proto_billing::v1::subscription::Plan;
use levqor_proto_mail::v1::{EndOperatorNoticeRequest, send_message_request::Content};
use levqor_proto_support::v1::{
    GetConversationRequest, ReplyTicketRequest, RequestPersonRequest, ticket::State, turn::Outcome,
};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, FakeBilling, ada, bob};

#[tokio::test]
async fn staff_reply_by_mail_and_in_the_conversation() {
    let bench = Bench::start().await;
    let chat = bench.chat(ada()).await;
    let ticket_id = chat.say_and_see("I want a human").await.1.ticket_id;
    let ticket = bench.reply(&Caller::staff(), &ticket_id, "We look into it.").await.expect("replied");
    assert_eq!(ticket.state(), State::Pending);
    assert!(ticket.first_reply_time.is_some());
    let replied = bench.mails().await.into_iter().find_map(|mail| match mail.content {
        Some(Content::TicketReplied(replied)) => Some((mail.recipient, replied.reply)),
        _ => None,
    });
    assert_eq!(replied, Some(("ada@example.com".to_owned(), "We look into it.".to_owned())));
    assert_eq!(bench.deferred::<EndOperatorNoticeRequest>().await.len(), 1, "the notice is over");
    let request = GetConversationRequest { conversation_id: chat.id.clone(), ..Default::default() };
    let got =
        bench.conversations().get_conversation(ada().request(request)).await.expect("hers").into_inner();
    let last = got.turns.last().expect("a turn");
    assert_eq!((last.outcome(), last.reply.as_str()), (Outcome::Replied, "We look into it."));
}

#[tokio::test]
async fn a_customers_reply_opens_the_ticket_and_a_strangers_is_refused() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    bench.reply(&Caller::staff(), &id, "Done?").await.expect("replied");
    assert_eq!(bench.reply(&ada(), &id, "No.").await.expect("replied").state(), State::Open);
    assert_eq!(bench.notices().await.len(), 2, "opened, and written again");
    assert_eq!(reason(&refused(bench.reply(&bob(), &id, "Mine!").await)), "TICKET_NOT_FOUND");
    assert_eq!(violated(&refused(bench.reply(&ada(), &id, "").await)), ["text"]);
    assert_eq!(violated(&refused(bench.reply(&ada(), &id, &"x".repeat(5_001)).await)), ["text"]);
}

#[tokio::test]
async fn a_visitor_who_typed_the_address_of_an_account_does_not_see_its_replies() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    let (conversation_id, conversation_token) = (chat.id.clone(), chat.token.clone());
    let customer_email = "ada@example.com".to_owned();
    let request =
        RequestPersonRequest { conversation_id, conversation_token, customer_email, ..Default::default() };
    let handed = bench.conversations().request_person(chat.caller.request(request)).await.expect("a person");
    let ticket_id = handed.into_inner().conversation.expect("a conversation").ticket_id;
    bench.reply(&Caller::staff(), &ticket_id, "For the visitor.").await.expect("replied");
    bench.shown(&ada(), &ticket_id).await.expect("hers, by the address that she proved");
    bench.reply(&Caller::staff(), &ticket_id, "For Ada alone.").await.expect("replied");
    let (conversation_id, conversation_token) = (chat.id.clone(), chat.token.clone());
    let request =
        GetConversationRequest { conversation_id, conversation_token, ..GetConversationRequest::default() };
    let got = bench.conversations().get_conversation(chat.caller.request(request)).await.expect("theirs");
    let turns = got.into_inner().turns;
    let replies: Vec<_> = turns.iter().map(|turn| turn.reply.as_str()).collect();
    assert!(replies.contains(&"For the visitor.") && !replies.contains(&"For Ada alone."), "{replies:?}");
}

#[tokio::test]
async fn a_canned_reply_is_filled_for_the_ticket_and_only_staff_use_it() {
    let billing = FakeBilling::start(Plan::Pro).await;
    let bench = Bench::start_with(&billing).await;
    let ticket = bench.ticket(&ada(), "Help").await;
    let text = "Hello {{customer.name}}, about {{ ticket.number }} ({{plan}}): send a screenshot.";
    let canned = bench.canned(&Caller::staff(), "Screenshot", text).await.expect("created");
    let reply = async |caller: &Caller, canned_reply_id: &str, text: &str| {
        let (ticket_id, text) = (ticket.ticket_id.clone(), text.to_owned());
        let request = ReplyTicketRequest { ticket_id, text, canned_reply_id: canned_reply_id.to_owned() };
        bench.tickets().reply_ticket(caller.request(request)).await
    };
    reply(&Caller::staff(), &canned.canned_reply_id, "Thank you!").await.expect("replied");
    let replied = bench.mails().await.into_iter().find_map(|mail| match mail.content {
        Some(Content::TicketReplied(replied)) => Some(replied.reply),
        _ => None,
    });
    let filled = "Hello A Customer, about LQ-1001 (Pro): send a screenshot.\n\nThank you!";
    assert_eq!(replied.as_deref(), Some(filled));
    let of_customer = reply(&ada(), &canned.canned_reply_id, "").await;
    assert_eq!(reason(&refused(of_customer)), "CANNED_REPLY_NOT_FOUND");
    let too_long = reply(&Caller::staff(), &canned.canned_reply_id, &"x".repeat(4_990)).await;
    assert_eq!(violated(&refused(too_long)), ["text"]);
    assert_eq!(violated(&refused(reply(&Caller::staff(), "x", "").await)), ["canned_reply_id"]);
}
