//! `MergeTicket`: two tickets of one customer become one; those of two customers never.

use levqor_proto_support::v1::MergeTicketRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, ada, bob};

impl Bench {
    pub(crate) async fn merge(&self, from: &str, into: &str) -> Result<(), tonic::Status> {
        let request = MergeTicketRequest { ticket_id: from.to_owned(), into_ticket_id: into.to_owned() };
        self.tickets().merge_ticket(Caller::staff().request(request)).await.map(|_| ())
    }
}

#[tokio::test]
async fn tickets_of_one_customer_are_merged() {
    let bench = Bench::start().await;
    let (first, second) = (bench.ticket(&ada(), "Help").await, bench.ticket(&ada(), "Help again").await);
    let bobs = bench.ticket(&bob(), "Help").await;
    let merge = async |from: &str, into: &str| bench.merge(from, into).await;
    for (from, into) in [(&first, &bobs), (&first, &first)] {
        let status = refused(merge(&from.ticket_id, &into.ticket_id).await);
        assert_eq!(reason(&status), "TICKETS_NOT_MERGEABLE");
    }
    merge(&second.ticket_id, &first.ticket_id).await.expect("merged");
    assert_eq!(bench.shown(&ada(), &first.ticket_id).await.expect("hers").messages.len(), 2);
    let merged = bench.shown(&ada(), &second.ticket_id).await.expect("hers").ticket.expect("a ticket");
    assert_eq!(merged.merged_ticket_id, first.ticket_id);
    assert_eq!(reason(&refused(merge(&first.ticket_id, &second.ticket_id).await)), "TICKETS_NOT_MERGEABLE");
}
