//! `GetTicket`: a customer sees their own tickets, and no notes.

use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, NOBODYS, ada, bob};

#[tokio::test]
async fn a_ticket_is_its_customers_and_staffs() {
    let bench = Bench::start().await;
    let ticket = bench.ticket(&ada(), "Help").await;
    bench.note(&ticket.ticket_id, "She is right.").await;
    let hers = bench.shown(&ada(), &ticket.ticket_id).await.expect("hers");
    assert_eq!(hers.messages.len(), 1);
    let of_staff = bench.shown(&Caller::staff(), &ticket.ticket_id).await.expect("shown");
    assert_eq!(of_staff.messages.iter().map(|message| message.internal).collect::<Vec<_>>(), [false, true]);
    assert_eq!(of_staff.ticket.expect("a ticket").owner_sub, "ada");
    for (caller, id) in [
        (bob(), ticket.ticket_id.as_str()),
        (Caller::unverified("eve", "ada@example.com"), ticket.ticket_id.as_str()),
        (ada(), NOBODYS),
    ] {
        assert_eq!(reason(&refused(bench.shown(&caller, id).await)), "TICKET_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_ticket_of_a_visitor_becomes_that_of_the_customer_with_the_verified_address() {
    let bench = Bench::start().await;
    bench.execute("INSERT INTO tickets (ticket_id, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                   open_since, first_reply_due_time, create_time, update_time, mail_token)
                   VALUES (gen_random_uuid(), 'ada@example.com', '', false, 'S', 'OPEN', 'STARTER', 'CONVERSATION',
                   runtime.now(), runtime.now(), runtime.now(), runtime.now(), repeat('ab', 16))").await;
    let id: String = sqlx::query_scalar("SELECT ticket_id::text FROM tickets")
        .fetch_one(bench.db.pool())
        .await
        .expect("an id");
    assert!(bench.shown(&bob(), &id).await.is_err());
    assert!(bench.shown(&ada(), &id).await.is_ok());
    let again = Caller::customer("ada-again", "ada@example.com");
    assert!(bench.shown(&again, &id).await.is_err(), "it is the first account's for good");
}
