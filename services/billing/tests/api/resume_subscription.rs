//! `ResumeSubscription`: the subscription is renewed after all, and Stripe is asked once per key.

use levqor_proto_billing::v1::{CancelSubscriptionRequest, ResumeSubscriptionRequest};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Shop, ada, reason, refused, subscription, with};

fn ending(ends: bool) -> Value {
    let end = if ends { json!(4_000_000_000_i64) } else { Value::Null };
    with(
        subscription("active", &[("GROWTH", 7900)]),
        &[("cancel_at_period_end", json!(ends)), ("cancel_at", end)],
    )
}

#[tokio::test]
async fn stripe_is_asked_once_and_its_new_state_is_shown() {
    let shop = Shop::open().await;
    shop.subscribe(&ending(true)).await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, ending(false)).await;
    shop.answer_once("GET", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    shop.answer("GET", "/v1/subscriptions/sub_1", 200, ending(false)).await;
    let keyed = ada().with_key("once");
    for _ in 0..2 {
        let request = keyed.request(ResumeSubscriptionRequest {});
        let shown = shop.subscriptions().resume_subscription(request).await.expect("done").into_inner();
        assert!(shown.subscription.expect("it").cancel_time.is_none());
    }
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    let [(form, key)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(form, "cancel_at_period_end=false");
    assert!(key.starts_with("levqor-"), "{key}");
    // The subscription is already in that state: the call is refused with a reason.
    let request = ada().request(ResumeSubscriptionRequest {});
    let status = refused(shop.subscriptions().resume_subscription(request).await);
    assert_eq!(reason(&status), "SUBSCRIPTION_STATE");
    let bob = Caller::customer("bob", "bob@example.com").request(ResumeSubscriptionRequest {});
    assert_eq!(refused(shop.subscriptions().resume_subscription(bob).await).code(), Code::NotFound);
}

#[tokio::test]
async fn an_end_that_the_portal_has_set_as_a_time_is_unset() {
    let shop = Shop::open().await;
    let by_time = with(ending(true), &[("cancel_at_period_end", json!(false))]);
    shop.subscribe(&by_time).await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, json!({"id": "sub_1"})).await;
    let request = ada().request(ResumeSubscriptionRequest {});
    shop.subscriptions().resume_subscription(request).await.expect("done");
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    assert!(matches!(asked.as_slice(), [(form, _)] if form == "cancel_at="), "{asked:?}");
}

#[tokio::test]
async fn a_key_is_valid_for_one_rpc_only() {
    let shop = Shop::open().await;
    shop.subscribe(&ending(false)).await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    shop.answer("GET", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    let keyed = ada().with_key("both");
    let cancel = keyed.request(CancelSubscriptionRequest {});
    shop.subscriptions().cancel_subscription(cancel).await.expect("it ends");
    let resume = keyed.request(ResumeSubscriptionRequest {});
    shop.subscriptions().resume_subscription(resume).await.expect("it goes on");
    let forms: Vec<_> =
        shop.asked("POST", "/v1/subscriptions/sub_1").await.into_iter().map(|(form, _)| form).collect();
    assert_eq!(forms, ["cancel_at_period_end=true", "cancel_at_period_end=false"]);
}
