//! The address at Stripe follows the buyer's, whatever was interrupted before.

use levqor_proto_billing::v1::order::Tier;
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use wiremock::MockServer;

use super::{buy, dfy};
use crate::support::{Shop, ada, busy, refused};

#[tokio::test]
async fn a_customer_requested_under_an_older_address_is_made_once_and_gets_the_new_one() {
    let shop = Shop::open_at(MockServer::start().await).await;
    shop.answer_once("POST", "/v1/customers", 429, busy()).await;
    shop.sell().await;
    let changed = json!({"id": "cus_1", "object": "customer", "email": "ada@new.example"});
    shop.answer("POST", "/v1/customers/cus_1", 200, changed).await;
    refused(shop.check_out(&ada(), buy(dfy(Tier::Starter))).await);
    let moved = Caller::customer("ada", "ada@new.example");
    shop.check_out(&moved, buy(dfy(Tier::Starter))).await.expect("a session");
    let asked = shop.asked("POST", "/v1/customers").await;
    assert!(asked.len() == 2 && asked[0] == asked[1], "under its key: {asked:?}");
    let updates = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(updates.len() == 1 && updates[0].0.contains("email=ada@new.example"), "{updates:?}");
    assert_eq!(shop.bench.count("stripe_operations WHERE kind = 'CUSTOMER'").await, 1);
    let known = "customers WHERE email = 'ada@new.example' AND stripe_customer_id = 'cus_1'";
    assert_eq!(shop.bench.count(known).await, 1);
}

#[tokio::test]
async fn an_older_address_does_not_come_to_stripe_after_a_newer_one() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
    shop.answer_once("POST", "/v1/customers/cus_1", 429, busy()).await;
    let newest = json!({"id": "cus_1", "object": "customer", "email": "ada@newest.example"});
    shop.answer("POST", "/v1/customers/cus_1", 200, newest).await;
    for address in ["ada@new.example", "ada@newest.example"] {
        let moved = Caller::customer("ada", address);
        shop.check_out(&moved, buy(dfy(Tier::Starter))).await.expect("a session");
    }
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    shop.finish_operations().await;
    let asked = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(asked.len() == 2 && asked[1].0.contains("email=ada@newest.example"), "{asked:?}");
    assert_eq!(shop.bench.count("customers WHERE email = 'ada@newest.example'").await, 1);
}

#[tokio::test]
async fn an_older_address_that_a_crash_left_behind_is_given_up() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
    shop.answer_once("POST", "/v1/customers/cus_1", 429, busy()).await;
    let newest = json!({"id": "cus_1", "object": "customer", "email": "ada@newest.example"});
    shop.answer("POST", "/v1/customers/cus_1", 200, newest).await;
    for address in ["ada@new.example", "ada@newest.example"] {
        let moved = Caller::customer("ada", address);
        shop.check_out(&moved, buy(dfy(Tier::Starter))).await.expect("a session");
    }
    // As if billing was killed before it gave up the older one.
    let left =
        "UPDATE stripe_operations SET state = 'REQUESTED', failure = NULL, form = 'email=ada%40new.example'
                WHERE kind = 'CUSTOMER_UPDATE' AND state = 'REFUSED'";
    shop.bench.execute(left).await;
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    // The schedule may have been faster.
    shop.finish_operations().await;
    let given_up = "stripe_operations WHERE state = 'REFUSED' AND failure = 'replaced by a newer address'";
    eventually("it is given up", || async { (shop.bench.count(given_up).await == 1).then_some(()) }).await;
    let asked = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(asked.len() == 2 && asked[1].0.contains("email=ada@newest.example"), "{asked:?}");
    assert_eq!(shop.bench.count("customers WHERE email = 'ada@newest.example'").await, 1);
}
