//! `GetOrder`: customers get only their own order. Another customer's order gives the same error as a missing one.

use levqor_proto_billing::v1::{
    GetOrderRequest, Order,
    order::{FulfilmentState, PaymentState, Tier},
};
use levqor_runtime::{
    context::{Role, User},
    testing::Caller,
};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, event, reason, refused, session, violated, with};

/// An order that `ada@example.com` paid for.
async fn paid() -> (Bench, Order) {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    let order = bench.order().await;
    (bench, order)
}

impl Bench {
    async fn get_order(&self, caller: &Caller, order_id: &str) -> Result<Order, Status> {
        let request = caller.request(GetOrderRequest { order_id: order_id.to_owned() });
        Ok(self.client().get_order(request).await?.into_inner().order.expect("an order"))
    }

    async fn assert_none(&self, caller: &Caller, order_id: &str) {
        let status = refused(self.get_order(caller, order_id).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    }
}

#[tokio::test]
async fn an_order_shows_the_bought_package() {
    let bench = Bench::start().await;
    let session = with(
        session("cs_1"),
        &[
            ("customer", json!({"id": "cus_1", "object": "customer"})),
            ("amount_total", json!(59900)),
            ("metadata", json!({"mode": "dfy", "plan": "ENTERPRISE"})),
        ],
    );
    bench.process(&event("evt_1", "checkout.session.completed", &session)).await;
    let order_id = bench.order().await.order_id;
    let order = bench.get_order(&Caller::staff(), &order_id).await.expect("an order");
    assert_eq!((order.payment_state(), order.tier()), (PaymentState::Paid, Tier::Enterprise));
    assert_eq!((order.fulfilment_state(), order.revisions_left), (FulfilmentState::AwaitingIntake, 3));
    let amount = order.amount.clone().expect("an amount");
    assert_eq!((amount.currency_code.as_str(), amount.minor_units), ("GBP", 59_900));
    assert_eq!(
        (order.customer_email.as_str(), order.customer_name.as_str()),
        ("ada@example.com", "Ada Lovelace")
    );
    assert_eq!(
        (order.stripe_customer_id.as_str(), order.stripe_checkout_session_id.as_str()),
        ("cus_1", "cs_1")
    );
    assert_eq!(order.pay_time.expect("a time").seconds, 1_790_000_000, "Stripe's instant");
    assert!(order.create_time.is_some() && order.update_time.is_some());
}

#[tokio::test]
async fn the_first_access_with_the_verified_address_claims_the_order() {
    let (bench, order) = paid().await;
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1);
    let ada = Caller::customer("ada", "ADA@example.com");
    assert!(bench.get_order(&ada, &order.order_id).await.expect("hers") == order);
    assert_eq!(bench.count("orders WHERE owner_sub = 'ada'").await, 1);
    // The person owns the order from now on, whatever their address is.
    assert!(bench.get_order(&Caller::customer("ada", "new@example.com"), &order.order_id).await.is_ok());
    bench.assert_none(&Caller::customer("impostor", "ada@example.com"), &order.order_id).await;
}

#[tokio::test]
async fn another_customers_order_reads_the_same_as_none() {
    let (bench, order) = paid().await;
    let bob = Caller::customer("bob", "bob@example.com");
    bench.assert_none(&bob, &order.order_id).await;
    bench.assert_none(&bob, "0190b2c4-0000-7000-8000-000000000000").await;
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1, "nothing was claimed");
}

#[tokio::test]
async fn an_unverified_address_gives_no_access() {
    let (bench, order) = paid().await;
    bench.assert_none(&Caller::unverified("eve", "ada@example.com"), &order.order_id).await;
    let nameless = User { sub: "eve".to_owned(), email: None, email_verified: true, role: Role::Customer };
    bench.assert_none(&Caller::user(&nameless), &order.order_id).await;
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1, "nothing was claimed");
}

#[tokio::test]
async fn a_verified_address_that_only_looks_like_the_buyers_opens_nothing() {
    let bench = Bench::start().await;
    let of_victim = with(session("cs_1"), &[("customer_details", json!({"email": "victimk@example.com"}))]);
    bench.process(&event("evt_1", "checkout.session.completed", &of_victim)).await;
    let order_id = bench.order().await.order_id;
    for spelling in [
        "victim\u{212a}@example.com",
        "\u{ff56}\u{ff49}ctimk@example.com",
        "\u{24e5}ictimk@example.com",
        "victimk\u{200b}@example.com",
    ] {
        let mallory = Caller::customer("mallory", spelling);
        bench.assert_none(&mallory, &order_id).await;
        assert!(bench.orders(&mallory).await.is_empty(), "{spelling}");
    }
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1);
    let victim = Caller::customer("victim", "VictimK@Example.com");
    assert!(bench.get_order(&victim, &order_id).await.is_ok(), "ASCII letters have no case");
}

#[tokio::test]
async fn staff_get_every_order_and_claim_none() {
    let (bench, order) = paid().await;
    let staff = User {
        sub: "staff".to_owned(),
        email: "ada@example.com".parse().ok(),
        email_verified: true,
        role: Role::Staff,
    };
    for caller in [Caller::user(&staff), Caller::admin()] {
        assert!(bench.get_order(&caller, &order.order_id).await.expect("an order") == order);
    }
    assert_eq!(bench.count("orders WHERE owner_sub IS NULL").await, 1);
}

#[tokio::test]
async fn an_invalid_id_is_reported_as_a_violation() {
    let bench = Bench::start().await;
    for order_id in ["", "1", "0190B2C4-0000-7000-8000-000000000000", "a\u{0}"] {
        let status = refused(bench.get_order(&Caller::staff(), order_id).await);
        assert_eq!(violated(&status), ["order_id"], "{order_id:?}");
    }
}
