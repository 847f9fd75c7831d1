//! `ReopenTicket`: a solved ticket is open again, a closed one never.

use levqor_proto_support::v1::{ReopenTicketRequest, Ticket, ticket::State};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::bench::{Bench, ada};

async fn reopen(bench: &Bench, id: &str) -> Result<Ticket, Status> {
    let request = ada().request(ReopenTicketRequest { ticket_id: id.to_owned() });
    Ok(bench.tickets().reopen_ticket(request).await?.into_inner().ticket.expect("a ticket"))
}

#[tokio::test]
async fn a_solved_ticket_is_reopened() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    assert_eq!(reason(&refused(reopen(&bench, &id).await)), "TICKET_STATE");
    bench.solve(&Caller::staff(), &id).await.expect("solved");
    assert_eq!(reopen(&bench, &id).await.expect("open").state(), State::Open);
    bench.execute("UPDATE tickets SET state = 'CLOSED', open_since = NULL").await;
    assert_eq!(reason(&refused(reopen(&bench, &id).await)), "TICKET_STATE");
}
