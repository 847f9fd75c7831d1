//! `CheckPurchase`: only support may ask whether somebody with an address has bought.

use levqor_proto_billing::v1::{CheckPurchaseRequest, order_service_client::OrderServiceClient};
use levqor_runtime::testing::{Caller, refused, violated};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, Shop, event, session, subscription, with};

impl Bench {
    async fn has_bought(&self, caller: &Caller, email: &str) -> Result<bool, Status> {
        let request = caller.request(CheckPurchaseRequest { email: email.to_owned() });
        let mut client = OrderServiceClient::new(self.service.channel());
        Ok(client.check_purchase(request).await?.into_inner().has_bought)
    }
}

fn support() -> Caller {
    Caller::service("support", "billing")
}

#[tokio::test]
async fn a_paid_order_is_a_purchase_and_an_unpaid_one_is_none() {
    let bench = Bench::start().await;
    let unpaid = with(session("cs_1"), &[("payment_status", json!("unpaid"))]);
    bench.process(&event("evt_1", "checkout.session.completed", &unpaid)).await;
    assert!(!bench.has_bought(&support(), "ada@example.com").await.expect("an answer"));
    bench.process(&event("evt_2", "checkout.session.async_payment_succeeded", &session("cs_1"))).await;
    assert!(bench.has_bought(&support(), "Ada@Example.com").await.expect("an answer"));
    assert!(!bench.has_bought(&support(), "bob@example.com").await.expect("an answer"));
}

#[tokio::test]
async fn a_subscription_that_has_begun_is_a_purchase_also_when_it_is_over() {
    let shop = Shop::open().await;
    for (status, expected) in [("incomplete", false), ("active", true), ("canceled", true)] {
        shop.subscribe(&subscription(status, &[("PRO", 4900)])).await;
        let has_bought = shop.bench.has_bought(&support(), "ada@example.com").await.expect("an answer");
        assert_eq!(has_bought, expected, "{status}");
    }
    // The customer then abandons 50 more checkouts: each has a row, which is later than that of the purchase.
    let left = "INSERT INTO subscriptions SELECT (jsonb_populate_record(bought, jsonb_build_object(
                    'subscription_id', gen_random_uuid(), 'state', 'ABANDONED', 'start_time', NULL,
                    'stripe_subscription_id', NULL, 'stripe_checkout_session_id', NULL,
                    'create_time', bought.create_time + interval '1 day'))).*
                FROM subscriptions AS bought, generate_series(1, 50)";
    shop.bench.execute(left).await;
    assert!(shop.bench.has_bought(&support(), "ada@example.com").await.expect("an answer"));
}

#[tokio::test]
async fn only_support_is_told_and_only_of_an_address() {
    let bench = Bench::start().await;
    for other in [Caller::staff(), Caller::service("notifications", "billing")] {
        let status = refused(bench.has_bought(&other, "ada@example.com").await);
        assert_eq!(status.code(), Code::PermissionDenied);
    }
    assert_eq!(violated(&refused(bench.has_bought(&support(), "").await)), ["email"]);
}
