//! `MakeRefund`: a stored refund is made at Stripe once, whatever fails in between.

use levqor_proto_billing::v1::{MakeRefundRequest, Order, Refund, refund::State};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    refund_order::at_stripe,
    support::{Shop, event, refused, with},
};

/// The notices about refunds that failed.
const NOTICES: &str =
    "runtime.work WHERE idempotency_key LIKE 'OPERATOR_NOTICE_KIND_WITHDRAWAL:refund-failed:%'";

impl Shop {
    /// Stores a refund that only the test makes.
    async fn stored(&self, order: &Order, amount: i64) -> Refund {
        let refund = self.refund(order, amount).await.expect("stored").refund.expect("a refund");
        self.put_off("MakeRefund").await;
        refund
    }

    async fn make(&self, refund: &Refund) -> Result<State, Status> {
        let request = MakeRefundRequest { refund_id: refund.refund_id.clone() };
        let request = Caller::service("billing", "billing").request(request);
        Ok(self.refunds().make_refund(request).await?.into_inner().state())
    }
}

#[tokio::test]
async fn after_no_answer_the_same_key_is_used_and_after_a_failure_stripe_is_asked_first() {
    let (shop, order) = Shop::sold().await;
    let refund = shop.stored(&order, 900).await;
    assert_eq!(refused(shop.make(&refund).await).code(), Code::Unavailable);
    assert_eq!(refused(shop.make(&refund).await).code(), Code::Unavailable);
    let asked = shop.asked("POST", "/v1/refunds").await;
    assert!(asked.len() >= 2 && asked.iter().all(|one| *one == asked[0]), "{asked:?}");
    assert!(asked[0].0.contains("payment_intent=pi_cs_1") && asked[0].0.contains("amount=900"), "{asked:?}");

    shop.stripe.reset().await;
    shop.answer("POST", "/v1/refunds", 500, json!({"error": {"type": "api_error"}})).await;
    assert_eq!(refused(shop.make(&refund).await).code(), Code::Unavailable);
    // Stripe made the refund anyway, and would answer 500 under this key for a day.
    shop.stripe.reset().await;
    let made = at_stripe("re_1", 900, Some(&refund));
    shop.answer("GET", "/v1/refunds", 200, json!({"object": "list", "data": [made]})).await;
    assert_eq!(shop.make(&refund).await.expect("made"), State::Succeeded);
    assert!(shop.asked("POST", "/v1/refunds").await.is_empty(), "it is not made twice");
    assert_eq!(shop.bench.count("refunds WHERE stripe_refund_id = 're_1' AND state = 'SUCCEEDED'").await, 1);
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_has_failed_and_no_longer_counts() {
    let (shop, order) = Shop::sold().await;
    let refusal = json!({"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}});
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/refunds", 400, refusal).await;
    let refund = shop.refund(&order, 0).await.expect("stored").refund.expect("a refund");
    assert_eq!(shop.make(&refund).await.expect("an outcome"), State::Failed);
    assert_eq!(shop.bench.count("refunds WHERE failure = 'charge_already_refunded'").await, 1);
    assert_eq!(shop.bench.count(NOTICES).await, 1, "operators are told");
    assert!(shop.refund(&order, 0).await.is_ok());
}

#[tokio::test]
async fn after_23_hours_only_objects_that_stripe_lacks_are_made() {
    for there in [true, false] {
        let (shop, order) = Shop::sold().await;
        let refund = shop.stored(&order, 900).await;
        assert_eq!(refused(shop.make(&refund).await).code(), Code::Unavailable);
        let before = shop.asked("POST", "/v1/refunds").await;
        let old = "UPDATE stripe_operations SET create_time = create_time - interval '24 hours'";
        shop.bench.execute(old).await;
        shop.stripe.reset().await;
        let made = at_stripe("re_1", 900, Some(&refund));
        let known = if there { vec![made.clone()] } else { Vec::new() };
        shop.answer("GET", "/v1/refunds", 200, json!({"object": "list", "data": known})).await;
        shop.answer("POST", "/v1/refunds", 200, made).await;
        assert_eq!(shop.make(&refund).await.expect("made"), State::Succeeded);
        let asked = shop.asked("POST", "/v1/refunds").await;
        assert_eq!(asked.is_empty(), there, "{asked:?}");
        assert!(asked.iter().all(|one| *one == before[0]), "under its key: {asked:?}");
        assert!(!shop.asked("GET", "/v1/refunds").await.is_empty());
    }
}

#[tokio::test]
async fn operators_get_one_notice_of_a_debit_that_the_bank_returned() {
    for seen_before in [true, false] {
        let (shop, order) = Shop::sold().await;
        let refund = shop.refund(&order, 900).await.expect("stored").refund.expect("a refund");
        let made = at_stripe("re_1", 900, Some(&refund));
        if seen_before {
            shop.answer_once("GET", "/v1/refunds/re_1", 200, made.clone()).await;
            shop.bench.process(&event("evt_made", "refund.updated", &made)).await;
            assert_eq!(shop.bench.count("refunds WHERE state = 'SUCCEEDED'").await, 1);
            assert_eq!(shop.bench.count(NOTICES).await, 0);
        }
        let failed = with(made, &[("status", json!("failed")), ("failure_reason", json!("declined"))]);
        shop.answer("GET", "/v1/refunds/re_1", 200, failed.clone()).await;
        shop.bench.process(&event("evt_2", "refund.failed", &failed)).await;
        assert_eq!(shop.bench.count("refunds WHERE state = 'FAILED' AND failure = 'declined'").await, 1);
        assert_eq!(shop.bench.count(NOTICES).await, 1, "seen before: {seen_before}");
        // The notice is delivered. A later event about the same refund makes no other.
        shop.bench.execute(&format!("DELETE FROM {NOTICES}")).await;
        shop.bench.process(&event("evt_3", "refund.updated", &failed)).await;
        assert_eq!(shop.bench.count(NOTICES).await, 0, "seen before: {seen_before}");
    }
}
