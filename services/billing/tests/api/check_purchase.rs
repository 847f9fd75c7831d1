//! `CheckPurchase`: support asks whether a person with an address has bought.

use levqor_proto_billing::v1::{CheckPurchaseRequest, order_service_client::OrderServiceClient};
use levqor_runtime::testing::{Caller, refused, violated};
use serde_json::json;
use tonic::Status;

use crate::support::{Bench, Shop, event, session, subscription, with};

impl Bench {
    async fn has_bought(&self, email: &str) -> Result<bool, Status> {
        let request = CheckPurchaseRequest { email: email.to_owned() };
        let request = Caller::service("support", "billing").request(request);
        let mut client = OrderServiceClient::new(self.service.channel());
        Ok(client.check_purchase(request).await?.into_inner().has_bought)
    }
}

#[tokio::test]
async fn a_paid_order_is_a_purchase_and_an_unpaid_one_is_none() {
    let bench = Bench::start().await;
    let unpaid = with(session("cs_1"), &[("payment_status", json!("unpaid"))]);
    bench.process(&event("evt_1", "checkout.session.completed", &unpaid)).await;
    assert!(!bench.has_bought("ada@example.com").await.expect("an answer"));
    bench.process(&event("evt_2", "checkout.session.async_payment_succeeded", &session("cs_1"))).await;
    assert!(bench.has_bought("Ada@Example.com").await.expect("an answer"));
    assert!(!bench.has_bought("bob@example.com").await.expect("an answer"));
}

#[tokio::test]
async fn a_subscription_that_has_begun_is_a_purchase_also_when_it_is_over() {
    let shop = Shop::open().await;
    for (status, expected) in [("incomplete", false), ("active", true), ("canceled", true)] {
        shop.subscribe(&subscription(status, &[("PRO", 4900)])).await;
        let has_bought = shop.bench.has_bought("ada@example.com").await.expect("an answer");
        assert_eq!(has_bought, expected, "{status}");
    }
    // The customer then abandons 50 more checkouts: each has a row, which is later than that of the purchase.
    let left = "INSERT INTO subscriptions SELECT (jsonb_populate_record(bought, jsonb_build_object(
                    'subscription_id', gen_random_uuid(), 'state', 'ABANDONED', 'start_time', NULL,
                    'stripe_subscription_id', NULL, 'stripe_checkout_session_id', NULL,
                    'create_time', bought.create_time + interval '1 day'))).*
                FROM subscriptions AS bought, generate_series(1, 50)";
    shop.bench.execute(left).await;
    assert!(shop.bench.has_bought("ada@example.com").await.expect("an answer"));
}

#[tokio::test]
async fn a_text_that_is_no_address_is_a_violation() {
    let bench = Bench::start().await;
    assert_eq!(violated(&refused(bench.has_bought("").await)), ["email"]);
}
