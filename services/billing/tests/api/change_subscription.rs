//! `ChangeSubscription`: Stripe is asked for the difference, and a payment that is declined changes nothing.

use levqor_proto_billing::v1::{
    ChangeSubscriptionRequest,
    subscription::{AddOn, Plan, Term},
};
use serde_json::json;

use crate::support::{Shop, ada, reason, refused, subscription, violated};

fn to(plan: Plan, term: Term, add_ons: &[AddOn]) -> ChangeSubscriptionRequest {
    let add_ons = add_ons.iter().map(|add_on| (*add_on).into()).collect();
    ChangeSubscriptionRequest { plan: plan.into(), term: term.into(), add_ons }
}

#[tokio::test]
async fn a_dearer_plan_is_charged_at_once_and_add_ons_come_and_go() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("STARTER", 1900), ("ADDON_SLA_99_9", 19_900)])).await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, json!({"id": "sub_1"})).await;
    let request = ada().request(to(Plan::Business, Term::Monthly, &[AddOn::WhiteLabel]));
    shop.subscriptions().change_subscription(request).await.expect("changed");
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    for part in [
        "items[0][price]=price_business",
        "items[0][id]=si_0",
        "items[1][id]=si_1",
        "items[1][deleted]=true",
        "items[2][price]=price_addonwhitelabel",
        "proration_behavior=always_invoice",
        "payment_behavior=error_if_incomplete",
    ] {
        assert!(asked[0].0.contains(part), "{part} is not in {asked:?}");
    }
}

#[tokio::test]
async fn a_declined_payment_and_a_change_into_the_same_are_refused() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("STARTER", 1900)])).await;
    let declined = json!({"error": {"type": "card_error", "code": "card_declined"}});
    shop.answer("POST", "/v1/subscriptions/sub_1", 402, declined).await;
    for (wish, expected) in [
        (to(Plan::Pro, Term::Monthly, &[]), "PAYMENT_DECLINED"),
        (to(Plan::Starter, Term::Monthly, &[]), "NOTHING_CHANGES"),
    ] {
        let status = refused(shop.subscriptions().change_subscription(ada().request(wish)).await);
        assert_eq!(reason(&status), expected);
    }
    let wrong = ada().request(to(Plan::Pro, Term::Yearly, &[AddOn::Sla999]));
    assert_eq!(violated(&refused(shop.subscriptions().change_subscription(wrong).await)), ["add_ons"]);
    assert_eq!(shop.subscription().await.expect("a subscription").plan(), Plan::Starter);
}

#[tokio::test]
async fn a_key_is_not_taken_for_another_change() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("STARTER", 1900)])).await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, json!({"id": "sub_1"})).await;
    let keyed = ada().with_key("once");
    let business = keyed.request(to(Plan::Business, Term::Monthly, &[]));
    shop.subscriptions().change_subscription(business).await.expect("changed");
    let pro = keyed.request(to(Plan::Pro, Term::Monthly, &[]));
    let status = refused(shop.subscriptions().change_subscription(pro).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(shop.asked("POST", "/v1/subscriptions/sub_1").await.len(), 1);
}
