//! `RefundOrder`: staff give money back, never more than was paid, even when calls run at the same time.

use levqor_proto_billing::v1::{
    Order, Refund, RefundOrderRequest, RefundOrderResponse,
    order::{FulfilmentState, PaymentState},
    refund::{Origin, State},
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, eventually};
use serde_json::{Value, json};
use tonic::Status;
use wiremock::MockServer;

use crate::support::{Shop, event, reason, refused, session, violated, without_cost};

impl Shop {
    /// A paid order, and a Stripe that refunds.
    pub(crate) async fn sold() -> (Self, Order) {
        let shop = Self::open_at(MockServer::start().await).await;
        let session = session("cs_1");
        shop.answer("GET", "/v1/checkout/sessions/cs_1", 200, session.clone()).await;
        shop.bench.process(&event("evt_1", "checkout.session.completed", &session)).await;
        // The deferred call finds Stripe busy, so that the test decides what becomes of a refund.
        let busy = json!({"error": {"type": "invalid_request_error"}});
        shop.answer("POST", "/v1/refunds", 429, busy).await;
        let order = shop.bench.order().await;
        (shop, order)
    }

    pub(crate) async fn refund(&self, order: &Order, amount: i64) -> Result<RefundOrderResponse, Status> {
        let request = RefundOrderRequest {
            order_id: order.order_id.clone(),
            amount_minor_units: amount,
            reason: "It came too late.".to_owned(),
        };
        Ok(self.refunds().refund_order(Caller::staff().request(request)).await?.into_inner())
    }

    /// Stripe shows a refund like this, and sends an event about it.
    pub(crate) async fn tell_refund(&self, refund: &Value) {
        let id = refund["id"].as_str().expect("an id");
        self.answer("GET", &format!("/v1/refunds/{id}"), 200, refund.clone()).await;
        self.bench.process(&event(&format!("evt_{id}"), "refund.updated", refund)).await;
    }
}

/// A refund as Stripe shows it.
pub(crate) fn at_stripe(id: &str, amount: i64, ours: Option<&Refund>) -> Value {
    let metadata = ours.map_or(json!({}), |refund| json!({"refund_id": refund.refund_id}));
    json!({
        "id": id, "object": "refund", "amount": amount, "currency": "gbp", "payment_intent": "pi_cs_1",
        "charge": "ch_1", "status": "succeeded", "metadata": metadata, "created": 1_790_000_000, "livemode": false,
    })
}

#[tokio::test]
async fn refunds_of_all_makers_end_the_order_once_all_is_back() {
    let (shop, order) = Shop::sold().await;
    let refund = shop.refund(&order, 900).await.expect("stored").refund.expect("a refund");
    assert_eq!((refund.state(), refund.origin()), (State::Requested, Origin::Staff));
    shop.tell_refund(&at_stripe("re_1", 900, Some(&refund))).await;
    let after = shop.bench.order().await;
    assert_eq!(after.payment_state(), PaymentState::PartiallyRefunded);
    // A person refunds the remaining amount in Stripe's dashboard.
    shop.tell_refund(&at_stripe("re_2", 9000, None)).await;
    let after = shop.bench.order().await;
    assert_eq!(after.payment_state(), PaymentState::Refunded);
    assert_eq!(after.fulfilment_state(), FulfilmentState::Ended);
    assert_eq!(shop.bench.count("refunds WHERE state = 'SUCCEEDED' AND told").await, 2);
    let mails = shop.bench.messages().await;
    assert_eq!(mails.iter().filter(|(key, _)| key.starts_with("refund_made:")).count(), 2);
    assert_eq!(reason(&refused(shop.refund(&order, 1).await)), "NOT_REFUNDABLE");
}

#[tokio::test]
async fn concurrent_refunds_never_exceed_the_paid_amount() {
    let (shop, order) = Shop::sold().await;
    let all = (0..6).map(|_| shop.refund(&order, 4000));
    let made = futures_util::future::join_all(all).await;
    assert_eq!(made.iter().filter(|refund| refund.is_ok()).count(), 2, "9900 were paid");
    let status = made.into_iter().find_map(Result::err).expect("too much");
    assert_eq!(violated(&status), ["amount_minor_units"]);
    let rest = shop.refund(&order, 0).await.expect("the rest").refund.expect("a refund");
    assert_eq!(rest.amount.expect("an amount").minor_units, 1900);
    assert_eq!(reason(&refused(shop.refund(&order, 0).await)), "NOT_REFUNDABLE");
}

#[tokio::test]
async fn a_payment_that_the_bank_holds_or_returned_is_not_refunded_too() {
    let (shop, order) = Shop::sold().await;
    let dispute = |id: &str, status: &str| {
        json!({
            "id": id, "amount": 9900, "currency": "gbp", "status": status, "reason": "general",
            "charge": {"id": "ch_1", "customer": null}, "payment_intent": "pi_cs_1", "livemode": false,
        })
    };
    let tell = async |n: usize, dispute: Value| {
        let id = dispute["id"].as_str().expect("an id").to_owned();
        shop.stripe.reset().await;
        shop.answer("GET", &format!("/v1/disputes/{id}"), 200, dispute.clone()).await;
        let busy = json!({"error": {"type": "invalid_request_error"}});
        shop.answer("POST", "/v1/refunds", 429, busy).await;
        shop.bench.process(&event(&format!("evt_{n}"), "charge.dispute.updated", &dispute)).await;
    };
    tell(2, dispute("dp_1", "under_review")).await;
    assert_eq!(reason(&refused(shop.refund(&order, 0).await)), "NOT_REFUNDABLE");
    tell(3, dispute("dp_1", "won")).await;
    assert!(shop.refund(&order, 100).await.is_ok(), "the money is ours again");
    // The payment may be disputed again: a lost dispute has returned the money already.
    tell(4, dispute("dp_2", "lost")).await;
    assert_eq!(reason(&refused(shop.refund(&order, 0).await)), "NOT_REFUNDABLE");
}

#[tokio::test]
async fn an_order_that_cost_nothing_is_ended_and_stripe_is_not_asked() {
    let shop = Shop::open_at(MockServer::start().await).await;
    let free = without_cost(session("cs_1"));
    shop.answer("GET", "/v1/checkout/sessions/cs_1", 200, free.clone()).await;
    shop.bench.process(&event("evt_1", "checkout.session.completed", &free)).await;
    let order = shop.bench.order().await;
    assert_eq!(violated(&refused(shop.refund(&order, 500).await)), ["amount_minor_units"]);
    assert!(shop.refund(&order, 0).await.expect("ended").refund.is_none());
    assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
    assert_eq!(shop.bench.count("stripe_operations").await + shop.bench.count("refunds").await, 0);
    assert!(shop.asked("POST", "/v1/refunds").await.is_empty());
    assert_eq!(shop.bench.count("runtime.audit_entries WHERE action = 'order.end'").await, 1);
    let told = shop.bench.messages().await.into_iter().filter_map(|(_, mail)| match mail.content {
        Some(Content::OrderEnded(ended)) => Some((mail.recipient, ended.order_id, ended.note)),
        _ => None,
    });
    let expected = ("ada@example.com".to_owned(), order.order_id, "It came too late.".to_owned());
    assert_eq!(told.collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let (shop, order) = Shop::sold().await;
    let request =
        RefundOrderRequest { order_id: "1".to_owned(), amount_minor_units: -1, reason: " ".to_owned() };
    let status = refused(shop.refunds().refund_order(Caller::staff().request(request)).await);
    assert_eq!(violated(&status), ["order_id", "amount_minor_units", "reason"]);
    assert_eq!(violated(&refused(shop.refund(&order, 9901).await)), ["amount_minor_units"]);
    let nobody = Order { order_id: "0190b2c4-0000-7000-8000-000000000000".to_owned(), ..order };
    assert_eq!(reason(&refused(shop.refund(&nobody, 0).await)), "ORDER_NOT_FOUND");
    eventually("nothing is stored", || async { (shop.bench.count("refunds").await == 0).then_some(()) })
        .await;
}
