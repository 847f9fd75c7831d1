//! `DeleteCannedReply`: the canned reply is deleted, and replies that used it stay.

use levqor_proto_support::v1::{DeleteCannedReplyRequest, ReplyTicketRequest};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::{Bench, ada};

#[tokio::test]
async fn a_deleted_canned_reply_is_not_found_and_sent_replies_stay() {
    let bench = Bench::start().await;
    let staff = Caller::staff();
    let ticket_id = bench.ticket(&ada(), "Help").await.ticket_id;
    let canned_reply_id = bench.canned(&staff, "One", "We look.").await.expect("created").canned_reply_id;
    let reply = async || {
        let (ticket_id, canned_reply_id) = (ticket_id.clone(), canned_reply_id.clone());
        let request = ReplyTicketRequest { ticket_id, canned_reply_id, ..Default::default() };
        bench.tickets().reply_ticket(staff.request(request)).await
    };
    reply().await.expect("replied");
    let delete = async || {
        let request = DeleteCannedReplyRequest { canned_reply_id: canned_reply_id.clone() };
        bench.canned_replies().delete_canned_reply(staff.request(request)).await
    };
    delete().await.expect("deleted");
    assert_eq!(reason(&refused(delete().await)), "CANNED_REPLY_NOT_FOUND");
    assert_eq!(reason(&refused(reply().await)), "CANNED_REPLY_NOT_FOUND");
    let shown = bench.shown(&ada(), &ticket_id).await.expect("hers");
    assert_eq!(shown.messages.last().map(|message| message.text.as_str()), Some("We look."));
}
