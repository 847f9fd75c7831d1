//! `StartOrder`: staff start to work once the intake form is submitted.

use levqor_proto_billing::v1::order::FulfilmentState;
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Bench, NO_ORDER, ada, audited, reason, refused};

#[tokio::test]
async fn work_starts_once_and_is_audited() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    let started = bench.start_work(&Caller::staff(), &order_id).await.expect("started");
    assert_eq!(started.fulfilment_state(), FulfilmentState::InProgress);
    let status = refused(bench.start_work(&Caller::staff(), &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_STATE"));
    assert_eq!(audited(&bench, "order.start").await, [json!({"order_id": order_id})]);
}

#[tokio::test]
async fn the_customer_gets_a_mail_about_each_start_with_the_due_time() {
    let bench = Bench::start().await;
    let order = bench.delivered().await;
    bench.revise(&ada(), &order.order_id, "No header.").await.expect("requested");
    let again = bench.start_work(&Caller::staff(), &order.order_id).await.expect("started");
    assert_ne!(again.due_time, order.due_time);
    let told = bench.messages().await.into_iter().filter_map(|(key, message)| match message.content {
        Some(Content::OrderStarted(started)) => Some((key, started.revision, started.due_time)),
        _ => None,
    });
    let key = |round: i32| format!("order_started:{round}:{}", order.order_id);
    let expected = [(key(0), false, order.due_time), (key(1), true, again.due_time)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_guest_gets_a_mail_with_a_link_to_the_order() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let link = bench.link_token().await;
    bench.answer_by_link(&link).await.expect("saved");
    bench.submit(&Caller::staff(), &order_id).await.expect("submitted");
    bench.start_work(&Caller::staff(), &order_id).await.expect("started");
    let linked = bench.messages().await.into_iter().find_map(|(_, message)| match message.content {
        Some(Content::OrderStarted(started)) => started.order_link,
        _ => None,
    });
    let (_, token) = linked.as_deref().and_then(|link| link.rsplit_once("?link=")).expect("a link");
    assert_eq!(bench.linked(token).await.expect("an order").order.expect("an order").order_id, order_id);
}

#[tokio::test]
async fn work_does_not_start_without_an_order_or_a_form() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    for (order_id, expected) in [
        (NO_ORDER, (Code::NotFound, "ORDER_NOT_FOUND")),
        (&order_id, (Code::FailedPrecondition, "ORDER_STATE")),
    ] {
        let status = refused(bench.start_work(&Caller::staff(), order_id).await);
        assert_eq!((status.code(), reason(&status).as_str()), expected);
    }
}
