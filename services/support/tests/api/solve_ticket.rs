//! `SolveTicket`: the customer gets a mail if staff solve it.

use levqor_proto_mail::v1::send_message_request::Content;
use levqor_proto_support::v1::{SolveTicketRequest, Ticket, ticket::State};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::bench::{Bench, ada, bob};

impl Bench {
    pub(crate) async fn solve(&self, caller: &Caller, ticket_id: &str) -> Result<Ticket, Status> {
        let request = caller.request(SolveTicketRequest { ticket_id: ticket_id.to_owned() });
        Ok(self.tickets().solve_ticket(request).await?.into_inner().ticket.expect("a ticket"))
    }

    /// How many mails say that a ticket is solved.
    async fn told(&self) -> usize {
        let is_solved = |content: &Option<Content>| matches!(content, Some(Content::TicketSolved(_)));
        self.mails().await.iter().filter(|mail| is_solved(&mail.content)).count()
    }
}

#[tokio::test]
async fn staff_and_the_customer_solve_a_ticket() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    assert_eq!(reason(&refused(bench.solve(&bob(), &id).await)), "TICKET_NOT_FOUND");
    let solved = bench.solve(&Caller::staff(), &id).await.expect("solved");
    assert!(solved.state() == State::Solved && solved.solve_time.is_some());
    assert_eq!(bench.told().await, 1);
    assert_eq!(reason(&refused(bench.solve(&ada(), &id).await)), "TICKET_STATE");
    let own = bench.ticket(&ada(), "Again").await.ticket_id;
    bench.solve(&ada(), &own).await.expect("solved");
    assert_eq!(bench.told().await, 1, "she knows it");
}
