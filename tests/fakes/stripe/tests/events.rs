//! Events: their content, and the list of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fakes::stripe::{API_VERSION, Buyer, Stripe, id};

const ADA: Buyer<'static> = Buyer { name: "Ada", email: "ada@example.com" };

#[tokio::test]
async fn an_event_keeps_the_object_as_it_was_and_says_who_changed_what() {
    let stripe = Stripe::start();
    let create = stripe
        .call(Method::POST, "/v1/customers", "name=Ada&metadata[a]=1", &[("idempotency-key", "k1")])
        .await;
    let create = create.expect("an answer");
    let customer = create.str("/id");
    stripe.world().advance(7);
    stripe.post_form(&format!("/v1/customers/{customer}"), "name=Countess&metadata[a]=&metadata[b]=2").await;
    let list = stripe.get("/v1/events").await;
    let [updated, created] = list.json["data"].as_array().map(Vec::as_slice).expect("a list") else {
        panic!("two")
    };
    assert_eq!(
        (&created["type"], &created["data"]["object"]["name"]),
        (&json!("customer.created"), &json!("Ada"))
    );
    assert!(created["data"].get("previous_attributes").is_none());
    assert_eq!(created["request"], json!({"id": create.request_id, "idempotency_key": "k1"}));
    assert_eq!(
        updated["data"]["previous_attributes"],
        json!({"name": "Ada", "metadata": {"a": "1", "b": null}})
    );
    assert_eq!(updated["data"]["object"]["metadata"], json!({"b": "2"}));
    assert_eq!(updated["created"].as_i64(), created["created"].as_i64().map(|at| at + 7));
    assert_eq!((&updated["api_version"], &updated["livemode"]), (&json!(API_VERSION), &json!(false)));
}

#[tokio::test]
async fn a_change_without_a_request_names_no_request() {
    let stripe = Stripe::start();
    stripe.buy("starter", ADA);
    let list = stripe.get("/v1/events?type=checkout.session.completed").await;
    assert_eq!(list.json["data"][0]["request"], json!({"id": null, "idempotency_key": null}));
    let one = stripe.get(&format!("/v1/events/{}", list.ids()[0])).await;
    assert_eq!(one.json, list.json["data"][0]);
    assert_eq!(stripe.world().webhook(3, API_VERSION), one.json.to_string(), "as a test delivers it by hand");
    assert_eq!(stripe.get("/v1/events/evt_none").await.status, 404);
}

#[tokio::test]
async fn the_list_is_filtered_and_rows_are_erased_after_thirty_days() {
    let stripe = Stripe::start();
    let begun = stripe.world().now();
    stripe.buy("starter", ADA);
    stripe.world().advance(100);
    let customer = id(&stripe.post("/v1/customers", json!({})));
    let count = async |query: &str| stripe.get(&format!("/v1/events?limit=100&{query}")).await.ids().len();
    assert_eq!(count("").await, 5);
    assert_eq!(count("type=payment_intent.*").await, 2);
    assert_eq!(count("types[]=charge.succeeded&types[]=customer.created").await, 2);
    assert_eq!(count(&format!("created[gte]={}", begun + 100)).await, 1);
    assert_eq!(count(&format!("created[gt]={begun}&created[lt]={}", begun + 100)).await, 0);
    assert_eq!(count(&format!("created={begun}")).await, 4);
    stripe.world().advance(30 * 86400);
    assert_eq!(count("").await, 1, "only the customer's is 30 days old and no more");
    let shown: Value = stripe.get(&format!("/v1/customers/{customer}")).await.json;
    assert_eq!(shown["object"], "customer", "objects stay");
}
