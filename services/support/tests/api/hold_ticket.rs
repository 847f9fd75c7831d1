//! `HoldTicket`: a ticket on hold waits neither for the customer nor for staff.

use levqor_proto_support::v1::{HoldTicketRequest, ticket::State};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn a_ticket_is_put_on_hold_once() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    let request = || Caller::staff().request(HoldTicketRequest { ticket_id: id.clone() });
    let held = bench.tickets().hold_ticket(request()).await.expect("held").into_inner();
    assert_eq!(held.ticket.expect("a ticket").state(), State::OnHold);
    assert_eq!(reason(&refused(bench.tickets().hold_ticket(request()).await)), "TICKET_STATE");
}
