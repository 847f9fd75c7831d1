//! `CreateTicket`: the first reply is due by the plan, and the mail says when.

use levqor_proto_billing::v1::subscription::Plan as BillingPlan;
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::{
    CreateTicketRequest,
    ticket::{Plan, State},
};
use levqor_runtime::testing::{Caller, reason, refused, violated};

use crate::bench::{Bench, FakeBilling, ada};

#[tokio::test]
async fn a_ticket_is_open_and_its_customer_knows_when_somebody_replies() {
    let billing = FakeBilling::start(BillingPlan::Business).await;
    let bench = Bench::start_with(&billing).await;
    let ticket = bench.ticket(&ada(), "Nothing works").await;
    assert_eq!(
        (ticket.state(), ticket.plan(), ticket.number.as_str()),
        (State::Open, Plan::Business, "LQ-1001")
    );
    assert!(ticket.customer_verified && ticket.owner_sub.is_empty());
    let mails = bench.mails().await;
    let [mail] = mails.as_slice() else { panic!("one mail") };
    let Some(Content::TicketOpened(opened)) = &mail.content else { panic!("{:?}", mail.about) };
    assert_eq!(opened.reply_time, ticket.first_reply_due_time);
    assert_eq!(opened.ticket_link, Some(format!("https://www.levqor.ai/tickets/{}", ticket.ticket_id)));
    let notices = bench.notices().await;
    assert_eq!(notices.len(), 1);
    assert!(
        notices[0].text.contains("LQ-1001") && !notices[0].text.contains("Nothing works"),
        "{}",
        notices[0].text
    );
}

#[tokio::test]
async fn operators_get_a_notice_of_texts_that_were_not_screened() {
    // No compliance runs here.
    for bench in [Bench::start().await, Bench::start_without_compliance().await] {
        let ticket = bench.ticket(&ada(), "Our patient records").await;
        bench.reply(&ada(), &ticket.ticket_id, "They are in a folder.").await.expect("taken");
        let told = bench.warnings().await;
        assert_eq!(told.len(), 2, "{told:?}");
        for notice in told {
            let of_ticket = notice.text.starts_with(&format!("ticket:{}", ticket.ticket_id));
            assert!(of_ticket && notice.about.starts_with("unscreened:support:"), "{notice:?}");
        }
        // What staff write is not screened.
        bench.reply(&Caller::staff(), &ticket.ticket_id, "Thank you.").await.expect("replied");
        assert_eq!(bench.warnings().await.len(), 2);
    }
}

#[tokio::test]
async fn without_billing_a_customer_is_treated_as_starter() {
    let bench = Bench::start().await;
    assert_eq!(bench.ticket(&ada(), "Nothing works").await.plan(), Plan::Starter);
}

#[tokio::test]
async fn the_address_must_be_verified_and_the_text_must_not_be_empty() {
    let bench = Bench::start().await;
    let full = CreateTicketRequest { subject: "S".to_owned(), text: "T".to_owned(), ..Default::default() };
    let eve = Caller::unverified("eve", "ada@example.com");
    let status = refused(bench.tickets().create_ticket(eve.request(full)).await);
    assert_eq!(reason(&status), "EMAIL_NOT_VERIFIED");
    let status = refused(bench.tickets().create_ticket(ada().request(CreateTicketRequest::default())).await);
    assert_eq!(violated(&status), ["subject", "text"]);
}
