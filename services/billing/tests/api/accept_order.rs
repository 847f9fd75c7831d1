//! `AcceptOrder`: the customer accepts delivered work, once per delivery.

use levqor_proto_billing::v1::order::FulfilmentState;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Bench, ada, audited, reason, refused};

#[tokio::test]
async fn delivered_work_is_accepted_and_the_same_key_accepts_once() {
    let bench = Bench::start().await;
    let order_id = bench.delivered().await.order_id;
    let status = refused(bench.accept(&Caller::customer("bob", "bob@example.com"), &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    let keyed = ada().with_key("once");
    let accepted = bench.accept(&keyed, &order_id).await.expect("accepted");
    assert!(accepted.fulfilment_state() == FulfilmentState::Accepted && accepted.accept_time.is_some());
    assert!(bench.accept(&keyed, &order_id).await.expect("remembered") == accepted);
    let status = refused(bench.accept(&ada(), &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_STATE"));
    assert_eq!(audited(&bench, "order.accept").await, [json!({"order_id": order_id})]);
}
