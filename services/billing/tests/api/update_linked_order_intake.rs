//! `UpdateLinkedOrderIntake`: a guest saves the draft of the form by the link in the mail.

use tonic::Code;

use crate::support::{Bench, ada, answers, reason, refused};

#[tokio::test]
async fn a_guest_saves_the_draft_that_the_buyer_sees_after_signing_in() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    bench.answer_by_link(&bench.link_token().await).await.expect("saved");
    assert!(bench.intake(&ada(), &order_id).await.expect("a form").answers == answers());
    let status = refused(bench.answer_by_link("1").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
}
