//! `AdvanceOrders`: silence accepts work after 7 days, and an overdue delivery is reported once.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    AdvanceOrdersRequest, AdvanceOrdersResponse, OrderParty, order::FulfilmentState, order_event::Kind,
};
use levqor_runtime::testing::{Caller, advance, eventually};

use crate::{
    refund_order::at_stripe,
    support::{Bench, Shop, ada, answers, session, without_cost},
};

impl Bench {
    async fn advance_orders(&self) -> AdvanceOrdersResponse {
        let request = Caller::service("billing", "billing").request(AdvanceOrdersRequest {});
        self.order_client().advance_orders(request).await.expect("advanced").into_inner()
    }

    /// Calls it until the order has this event. It skips an order that another transaction has locked, and a step of a flow or the
    /// schedule's own call may have.
    async fn advance_until(&self, order_id: &str, kind: Kind) {
        eventually("the order has the event", || async {
            self.advance_orders().await;
            self.shown(order_id).await.events.iter().any(|event| event.kind() == kind).then_some(())
        })
        .await;
    }

    /// Ada submits the intake form of an order, and nothing is delivered in time.
    async fn leave_overdue(&self, order_id: &str) {
        self.answer(&ada(), order_id, answers()).await.expect("saved");
        self.submit(&ada(), order_id).await.expect("submitted");
        advance(&self.db, TimeDelta::hours(48)).await;
        self.advance_until(order_id, Kind::Overdue).await;
    }

    /// How often the notice about an overdue delivery was ended.
    async fn notices_ended(&self) -> i64 {
        let ended =
            "runtime.work WHERE rpc LIKE '%/EndOperatorNotice' AND idempotency_key LIKE 'not_overdue:%'";
        self.count(ended).await
    }
}

#[tokio::test]
async fn silence_accepts_delivered_work_after_seven_days() {
    let bench = Bench::start().await;
    let order_id = bench.delivered().await.order_id;
    advance(&bench.db, TimeDelta::days(7) - TimeDelta::hours(1)).await;
    assert_eq!(bench.advance_orders().await, AdvanceOrdersResponse::default());
    advance(&bench.db, TimeDelta::hours(1)).await;
    bench.advance_until(&order_id, Kind::Accepted).await;
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
    bench.advance_until(&order_id, Kind::Overdue).await;
    bench.advance_orders().await;
    let events = bench.shown(&order_id).await.events;
    assert_eq!(events.iter().filter(|event| event.kind() == Kind::Overdue).count(), 1);
    let told = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE '%ORDER_OVERDUE%'";
    assert_eq!(bench.count(told).await, 1, "operators are told once");
    assert_eq!(bench.order().await.fulfilment_state(), FulfilmentState::IntakeSubmitted, "it is still owed");
}

#[tokio::test]
async fn an_order_that_another_transaction_has_locked_is_not_waited_for_and_is_reported_later() {
    let bench = Bench::start().await;
    let order_id = bench.submitted().await.order_id;
    // As a step of a flow does.
    let mut step = bench.db.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM orders FOR UPDATE").execute(&mut *step).await.expect("locked");
    advance(&bench.db, TimeDelta::hours(48)).await;
    assert_eq!(bench.advance_orders().await, AdvanceOrdersResponse::default());
    step.commit().await.expect("released");
    bench.advance_until(&order_id, Kind::Overdue).await;
}

#[tokio::test]
async fn an_order_that_is_paid_back_is_no_longer_overdue() {
    let (shop, order) = Shop::sold().await;
    shop.bench.leave_overdue(&order.order_id).await;
    shop.tell_refund(&at_stripe("re_1", 900, None)).await;
    assert_eq!(shop.bench.notices_ended().await, 0, "the work is still owed");
    shop.tell_refund(&at_stripe("re_2", 9000, None)).await;
    assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
    assert_eq!(shop.bench.notices_ended().await, 1);
}

#[tokio::test]
async fn a_free_order_that_staff_end_is_no_longer_overdue() {
    let free = without_cost(session("cs_1"));
    let (shop, order) = Shop::sold_with(free).await;
    shop.bench.leave_overdue(&order.order_id).await;
    shop.refund(&order, 0).await.expect("ended");
    assert_eq!(shop.bench.notices_ended().await, 1);
}
