//! `ListTickets`: customers see their own tickets only, whatever the filter.

use levqor_proto_support::v1::{ListTicketsRequest, Ticket, ticket::State};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada, bob};

async fn list(bench: &Bench, caller: &Caller, request: ListTicketsRequest) -> Vec<Ticket> {
    bench.tickets().list_tickets(caller.request(request)).await.expect("a list").into_inner().tickets
}

#[tokio::test]
async fn lists_are_of_ones_own_tickets_or_of_all() {
    let bench = Bench::start().await;
    bench.ticket(&ada(), "First").await;
    bench.ticket(&ada(), "Second").await;
    bench.ticket(&bob(), "Third").await;
    let subjects =
        |tickets: Vec<Ticket>| tickets.into_iter().map(|ticket| ticket.subject).collect::<Vec<_>>();
    assert_eq!(subjects(list(&bench, &ada(), ListTicketsRequest::default()).await), ["Second", "First"]);
    let of_bob = || ListTicketsRequest { customer_email: "bob@example.com".to_owned(), ..Default::default() };
    assert!(list(&bench, &ada(), of_bob()).await.is_empty());
    assert_eq!(subjects(list(&bench, &Caller::staff(), of_bob()).await), ["Third"]);
    let open = ListTicketsRequest { state: State::Open.into(), ..Default::default() };
    assert_eq!(list(&bench, &Caller::staff(), open).await.len(), 3);
    let assigned = ListTicketsRequest { assignee: "grace".to_owned(), ..Default::default() };
    assert!(list(&bench, &Caller::staff(), assigned).await.is_empty());
}

#[tokio::test]
async fn a_search_finds_subjects_and_messages_and_only_staff_find_notes() {
    let bench = Bench::start().await;
    let first = bench.ticket(&ada(), "The invoices are late").await.ticket_id;
    let second = bench.ticket(&ada(), "Help").await.ticket_id;
    let of_bob = bench.ticket(&bob(), "Hello").await.ticket_id;
    bench.reply(&ada(), &second, "My invoice has a zeppelin on it.").await.expect("replied");
    bench.reply(&bob(), &of_bob, "Where is my invoice?").await.expect("replied");
    bench.note(&second, "A balloon, I think.").await;
    for (caller, query, expected) in [
        (ada(), "invoice", vec![&second, &first]),
        (Caller::staff(), "invoice", vec![&of_bob, &second, &first]),
        (ada(), "\"invoice has\" -late", vec![&second]),
        (ada(), "balloon", vec![]),
        (Caller::staff(), "balloon", vec![&second]),
        (bob(), "zeppelin", vec![]),
        (ada(), "the", vec![]),
    ] {
        let request = ListTicketsRequest { query: query.to_owned(), ..Default::default() };
        let found = list(&bench, &caller, request).await;
        let found: Vec<_> = found.iter().map(|ticket| &ticket.ticket_id).collect();
        assert_eq!(found, expected, "{query}");
    }
    let solved =
        ListTicketsRequest { query: "invoice".to_owned(), state: State::Solved.into(), ..Default::default() };
    assert!(list(&bench, &Caller::staff(), solved).await.is_empty(), "the other filters hold, too");
}
