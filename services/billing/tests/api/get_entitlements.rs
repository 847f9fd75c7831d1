//! `GetEntitlements`: the contents of the caller's subscription, which are paused while a payment is disputed.

use levqor_proto_billing::v1::{
    Entitlement, GetEntitlementsRequest, GetEntitlementsResponse,
    entitlement::{Feature, Refusal},
    subscription::Plan,
};
use serde_json::{Value, json};

use crate::support::{Shop, ada, event, subscription};

impl Shop {
    async fn entitlements(&self) -> GetEntitlementsResponse {
        let request = ada().request(GetEntitlementsRequest {});
        self.subscriptions().get_entitlements(request).await.expect("entitlements").into_inner()
    }
}

/// A dispute of this customer of Stripe's.
fn dispute(id: &str, status: &str, customer: &str) -> Value {
    json!({
        "id": id, "object": "dispute", "amount": 7900, "currency": "gbp", "status": status, "reason": "fraudulent",
        "charge": {"id": "ch_1", "customer": customer, "payment_intent": "pi_1"}, "payment_intent": "pi_1",
        "evidence_details": {"due_by": 4_000_000_000_i64},
    })
}

impl Shop {
    async fn dispute_is_told(&self, dispute: &Value) {
        self.stripe.reset().await;
        let [id, status] = ["id", "status"].map(|field| dispute[field].as_str().expect("text"));
        self.answer("GET", &format!("/v1/disputes/{id}"), 200, dispute.clone()).await;
        self.bench.process(&event(&format!("evt_{id}_{status}"), "charge.dispute.updated", dispute)).await;
    }
}

fn of(answer: &GetEntitlementsResponse, feature: Feature) -> Entitlement {
    answer.entitlements.iter().find(|of| of.feature() == feature).copied().expect("every feature is there")
}

#[tokio::test]
async fn a_subscription_entitles_and_a_dispute_holds_it_until_it_is_won() {
    let shop = Shop::open().await;
    let none = of(&shop.entitlements().await, Feature::Workflows);
    assert_eq!((none.allowed, none.refusal()), (false, Refusal::NoSubscription));

    shop.subscribe(&subscription("active", &[("GROWTH", 7900), ("ADDON_PRIORITY_SUPPORT", 9900)])).await;
    let all = shop.entitlements().await;
    let workflows = of(&all, Feature::Workflows);
    assert_eq!(
        (all.plan(), workflows.allowed, workflows.limit, workflows.used),
        (Plan::Growth, true, Some(3), None)
    );
    assert!(of(&all, Feature::PrioritySupport).allowed);
    assert_eq!(of(&all, Feature::WhiteLabel).refusal(), Refusal::NotIncluded);

    for (status, refusal) in [("needs_response", Refusal::Disputed), ("won", Refusal::Unspecified)] {
        shop.dispute_is_told(&dispute("dp_1", status, "cus_1")).await;
        assert_eq!(of(&shop.entitlements().await, Feature::Workflows).refusal(), refusal, "{status}");
    }
    let told = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE '%dispute%'";
    assert_eq!(shop.bench.count(told).await, 2, "that it was opened, and that it is decided");
    let dated = format!("{told} AND position('02 October 2096, 07:06 UTC'::bytea IN request) > 0");
    assert_eq!(shop.bench.count(&dated).await, 1, "until when evidence can be given");
}

#[tokio::test]
async fn a_question_of_a_bank_holds_nothing_and_a_lost_dispute_of_any_customer_of_the_person_holds() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    assert!(shop.subscription().await.is_some(), "reading it claims it");
    shop.bench
        .service
        .execute(
            "INSERT INTO customers (customer_id, owner_sub, email, stripe_customer_id, create_time, update_time)
             VALUES (gen_random_uuid(), 'ada', 'ada@example.com', 'cus_2', runtime.now(), runtime.now())",
        )
        .await;
    for (n, (status, customer, refusal)) in [
        ("warning_needs_response", "cus_1", Refusal::Unspecified),
        ("lost", "cus_9", Refusal::Unspecified),
        ("lost", "cus_2", Refusal::Disputed),
    ]
    .into_iter()
    .enumerate()
    {
        shop.dispute_is_told(&dispute(&format!("dp_{n}"), status, customer)).await;
        let workflows = of(&shop.entitlements().await, Feature::Workflows);
        assert_eq!(workflows.refusal(), refusal, "{status} of {customer}");
    }
}
