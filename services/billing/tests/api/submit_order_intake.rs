//! `SubmitOrderIntake`: a complete form starts the delivery time, once.

use levqor_proto_billing::v1::{OrderParty, order::FulfilmentState, order_event::Kind};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Bench, ada, answers, audited, reason, refused, violated};

#[tokio::test]
async fn every_missing_answer_is_named_at_once() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let status = refused(bench.submit(&ada(), &order_id).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    let mut expected: Vec<_> = answers().into_keys().map(|id| format!("answers.{id}")).collect();
    let mut named = violated(&status);
    expected.sort();
    named.sort();
    assert_eq!(named, expected);
    assert_eq!(bench.count("orders WHERE submit_time IS NULL").await, 1);
}

#[tokio::test]
async fn a_complete_form_starts_the_delivery_time_and_is_history() {
    let bench = Bench::start().await;
    let order = bench.submitted().await;
    assert_eq!(order.fulfilment_state(), FulfilmentState::IntakeSubmitted);
    let (submitted, due) = (order.submit_time.expect("a time"), order.due_time.expect("a time"));
    assert_eq!(due.seconds - submitted.seconds, 48 * 3600);
    let shown = bench.shown(&order.order_id).await;
    let history: Vec<_> = shown.events.iter().map(|event| (event.kind(), event.party())).collect();
    assert_eq!(history, [(Kind::Paid, OrderParty::System), (Kind::IntakeSubmitted, OrderParty::Customer)]);
    assert_eq!(audited(&bench, "order.submit_intake").await, [json!({"order_id": order.order_id})]);
    let status = refused(bench.submit(&ada(), &order.order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_STATE"));
}

#[tokio::test]
async fn another_customers_form_cannot_be_submitted() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    bench.answer(&ada(), &order_id, answers()).await.expect("saved");
    let bob = Caller::customer("bob", "bob@example.com");
    let status = refused(bench.submit(&bob, &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
}
