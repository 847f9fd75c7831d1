//! `SubmitLinkedOrderIntake`: a guest submits the form by the link in the mail.

use levqor_proto_billing::v1::{OrderParty, SubmitLinkedOrderIntakeRequest, order::FulfilmentState};
use levqor_runtime::testing::Caller;
use tonic::Code;

use crate::support::{Bench, ada, answers, reason, refused, violated};

#[tokio::test]
async fn a_guest_submits_a_complete_form() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let link_token = bench.link_token().await;
    let submit = async |link_token: &str| {
        let request = SubmitLinkedOrderIntakeRequest { link_token: link_token.to_owned() };
        bench.order_client().submit_linked_order_intake(Caller::anonymous().request(request)).await
    };
    let status = refused(submit(&link_token).await);
    assert_eq!(violated(&status).len(), answers().len());
    bench.answer_by_link(&link_token).await.expect("saved");
    let order = submit(&link_token).await.expect("submitted").into_inner().order.expect("an order");
    assert_eq!(order.fulfilment_state(), FulfilmentState::IntakeSubmitted);
    assert_eq!(bench.shown(&order_id).await.events[1].party(), OrderParty::Customer);
    assert_eq!(bench.orders(&ada()).await[0].fulfilment_state(), FulfilmentState::IntakeSubmitted);
    let status = refused(submit("1").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
}
