//! `AdvanceOrders`: silence accepts work after 7 days, and an overdue delivery is reported once.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    AdvanceOrdersRequest, AdvanceOrdersResponse, OrderParty, order::FulfilmentState, order_event::Kind,
};
use levqor_runtime::testing::{Caller, advance};

use crate::support::Bench;

impl Bench {
    async fn advance_orders(&self) -> AdvanceOrdersResponse {
        let request = Caller::service("billing", "billing").request(AdvanceOrdersRequest {});
        self.order_client().advance_orders(request).await.expect("advanced").into_inner()
    }
}

#[tokio::test]
async fn silence_accepts_delivered_work_after_seven_days() {
    let bench = Bench::start().await;
    let order_id = bench.delivered().await.order_id;
    advance(&bench.db, TimeDelta::days(7) - TimeDelta::hours(1)).await;
    assert_eq!(bench.advance_orders().await, AdvanceOrdersResponse::default());
    advance(&bench.db, TimeDelta::hours(1)).await;
    bench.advance_orders().await;
    // The schedule may have done it before this call. In both cases the order is accepted once.
    assert_eq!(bench.order().await.fulfilment_state(), FulfilmentState::Accepted);
    let events = bench.shown(&order_id).await.events;
    let accepted: Vec<_> = events.iter().filter(|event| event.kind() == Kind::Accepted).collect();
    assert_eq!(accepted.iter().map(|event| event.party()).collect::<Vec<_>>(), [OrderParty::System]);
}

#[tokio::test]
async fn an_overdue_delivery_is_reported_once() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    advance(&bench.db, TimeDelta::hours(48)).await;
    for _ in 0..2 {
        bench.advance_orders().await;
    }
    let events = bench.shown(&order_id).await.events;
    assert_eq!(events.iter().filter(|event| event.kind() == Kind::Overdue).count(), 1);
    let told = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE '%ORDER_OVERDUE%'";
    assert_eq!(bench.count(told).await, 1, "operators are told once");
    assert_eq!(bench.order().await.fulfilment_state(), FulfilmentState::IntakeSubmitted, "it is still owed");
}
