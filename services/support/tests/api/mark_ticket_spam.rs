//! `MarkTicketSpam`: the ticket is closed, and its sender gets no mail.

use levqor_proto_support::v1::{MarkTicketSpamRequest, ticket::State};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn spam_is_closed_without_a_mail() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Cheap watches").await.ticket_id;
    let request = || Caller::staff().request(MarkTicketSpamRequest { ticket_id: id.clone() });
    let marked = bench.tickets().mark_ticket_spam(request()).await.expect("marked").into_inner();
    let ticket = marked.ticket.expect("a ticket");
    assert_eq!((ticket.state(), ticket.spam), (State::Closed, true));
    assert_eq!(bench.mails().await.len(), 1, "only that it was opened");
    assert!(!bench.shown(&ada(), &id).await.expect("hers").ticket.expect("a ticket").spam);
    assert_eq!(reason(&refused(bench.tickets().mark_ticket_spam(request()).await)), "TICKET_STATE");
}
