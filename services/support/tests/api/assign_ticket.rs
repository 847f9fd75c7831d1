//! `AssignTicket`: staff say who works on a ticket; customers do not see it.

use levqor_proto_support::v1::AssignTicketRequest;
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada};

#[tokio::test]
async fn a_ticket_is_assigned_and_taken_back() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    for assignee in ["grace", ""] {
        let request = AssignTicketRequest { ticket_id: id.clone(), assignee: assignee.to_owned() };
        let assigned =
            bench.tickets().assign_ticket(Caller::staff().request(request)).await.expect("assigned");
        assert_eq!(assigned.into_inner().ticket.expect("a ticket").assignee, assignee);
        assert_eq!(bench.shown(&ada(), &id).await.expect("hers").ticket.expect("a ticket").assignee, "");
    }
}
