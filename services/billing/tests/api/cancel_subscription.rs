//! `CancelSubscription`: the subscription ends with its period, and Stripe is asked once per key.

use levqor_proto_billing::v1::{
    CancelSubscriptionRequest, CreateCheckoutSessionRequest,
    create_checkout_session_request::{DoneForYou, Item},
    order::Tier,
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Shop, TERMS, ada, reason, refused, subscription, with};

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
    shop.subscribe(&ending(false)).await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    shop.answer("GET", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    let keyed = ada().with_key("once");
    for _ in 0..2 {
        let request = keyed.request(CancelSubscriptionRequest {});
        let shown = shop.subscriptions().cancel_subscription(request).await.expect("done").into_inner();
        assert!(shown.subscription.expect("it").cancel_time.is_some());
    }
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    let [(form, key)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(form, "cancel_at_period_end=true");
    assert!(key.starts_with("levqor-"), "{key}");
    // The subscription is already in that state: the call is refused with a reason.
    let request = ada().request(CancelSubscriptionRequest {});
    let status = refused(shop.subscriptions().cancel_subscription(request).await);
    assert_eq!(reason(&status), "SUBSCRIPTION_STATE");
    let bob = Caller::customer("bob", "bob@example.com").request(CancelSubscriptionRequest {});
    assert_eq!(refused(shop.subscriptions().cancel_subscription(bob).await).code(), Code::NotFound);
}

#[tokio::test]
async fn the_same_request_several_times_at_once_is_one_request() {
    let shop = Shop::open().await;
    shop.subscribe(&ending(false)).await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    let keyed = ada().with_key("once");
    let cancel = || async {
        let request = keyed.request(CancelSubscriptionRequest {});
        shop.subscriptions().cancel_subscription(request).await
    };
    let all = futures_util::future::join_all((0..4).map(|_| cancel())).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    assert!(asked.iter().all(|one| *one == asked[0]), "{asked:?}");
    assert_eq!(shop.bench.count("stripe_operations WHERE kind = 'SUBSCRIPTION_UPDATE'").await, 1);
}

#[tokio::test]
async fn an_address_that_has_changed_is_brought_to_stripe_after_the_change() {
    let shop = Shop::open().await;
    let item = Some(Item::Dfy(DoneForYou { tier: Tier::Starter.into() }));
    let buy = CreateCheckoutSessionRequest { item, terms_version: TERMS.to_owned(), ..Default::default() };
    shop.checkout().create_checkout_session(ada().request(buy)).await.expect("a session");
    shop.subscribe(&ending(false)).await;
    shop.subscription().await.expect("it is hers, by the address that she had");
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, ending(true)).await;
    let changed = json!({"id": "cus_1", "object": "customer", "email": "ada@new.example"});
    shop.answer("POST", "/v1/customers/cus_1", 200, changed).await;
    let request = Caller::customer("ada", "ada@new.example").request(CancelSubscriptionRequest {});
    shop.subscriptions().cancel_subscription(request).await.expect("done");
    let asked = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(asked.len() == 1 && asked[0].0.contains("email=ada@new.example"), "{asked:?}");
}
