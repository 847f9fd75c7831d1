//! `DeliverOrder`: a delivery needs every point of the checklist.

use levqor_proto_billing::v1::{
    OrderParty, deliver_order_request::Checklist, order::FulfilmentState, order_event::Kind,
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Bench, CONFIRMED, audited, reason, refused, violated};

#[tokio::test]
async fn an_open_point_of_the_checklist_is_named_and_nothing_is_delivered() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    bench.start_work(&Caller::staff(), &order_id).await.expect("started");
    let open = Checklist { error_free: false, documented: false, ..CONFIRMED };
    let status = refused(bench.deliver(&Caller::staff(), &order_id, open).await);
    assert_eq!(violated(&status), ["checklist.error_free", "checklist.documented"]);
    assert_eq!(bench.order().await.fulfilment_state(), FulfilmentState::InProgress);
}

#[tokio::test]
async fn a_delivery_shows_its_note_and_how_long_it_can_be_revised() {
    let bench = Bench::start().await;
    let order = bench.delivered().await;
    assert_eq!(order.fulfilment_state(), FulfilmentState::Delivered);
    let (delivered, end) = (order.deliver_time.expect("a time"), order.revision_end_time.expect("a time"));
    assert_eq!(end.seconds - delivered.seconds, 14 * 24 * 3600);
    let shown = bench.shown(&order.order_id).await;
    let last = shown.events.last().expect("history");
    assert_eq!((last.kind(), last.party()), (Kind::Delivered, OrderParty::Staff));
    assert_eq!(last.note, "It runs in your account.");
    assert_eq!(audited(&bench, "order.deliver").await, [json!({"order_id": order.order_id})]);
}

#[tokio::test]
async fn work_that_was_not_started_is_not_delivered() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    let status = refused(bench.deliver(&Caller::staff(), &order_id, CONFIRMED).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_STATE"));
}
