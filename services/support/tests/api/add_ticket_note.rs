//! `AddTicketNote`: a note changes no state and sends no mail.

use levqor_proto_support::v1::{AddTicketNoteRequest, ticket::State};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada};

impl Bench {
    pub(crate) async fn note(&self, ticket_id: &str, text: &str) -> State {
        let request = AddTicketNoteRequest { ticket_id: ticket_id.to_owned(), text: text.to_owned() };
        let noted = self.tickets().add_ticket_note(Caller::staff().request(request)).await.expect("noted");
        noted.into_inner().ticket.expect("a ticket").state()
    }
}

#[tokio::test]
async fn a_note_is_for_staff_and_is_no_reply() {
    let bench = Bench::start().await;
    let id = bench.ticket(&ada(), "Help").await.ticket_id;
    assert_eq!(bench.note(&id, "Ask billing.").await, State::Open);
    assert_eq!(bench.mails().await.len(), 1, "only that it was opened");
    assert_eq!(bench.count("tickets WHERE first_reply_time IS NULL").await, 1);
}
