//! Requests and answers: forms, keys, errors, idempotency, pages, expansion, versions.

use reqwest::Method;
use serde_json::json;

use crate::fakes::stripe::{API_VERSION, Buyer, Stripe, form, id, price_settings};

const ADA: Buyer<'static> = Buyer { name: "Ada", email: "ada@example.com" };

#[test]
fn forms_nest_as_stripe_nests_them() {
    let form = form::read("a=1&b[c]=x+y%21&d[]=1&d[]=2&e[1][p]=z&e[0][p]=y&f=");
    let expected = json!({
        "a": "1", "b": {"c": "x y!"}, "d": ["1", "2"], "e": [{"p": "y"}, {"p": "z"}], "f": "",
    });
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_refusal_has_stripes_reason() {
    let stripe = Stripe::start();
    let sessions = "/v1/checkout/sessions";
    let lines = "success_url=s&line_items[0][price]";
    for (path, form, status, code, param) in [
        ("/v1/customers", "colour=red", 400, "parameter_unknown", "colour"),
        ("/v1/customers", "email=nobody", 400, "email_invalid", "email"),
        ("/v1/customers/cus_none", "name=x", 404, "resource_missing", "id"),
        ("/v1/nothing", "", 404, "", ""),
        (sessions, "mode=payment", 400, "parameter_missing", "success_url"),
        (
            sessions,
            &format!("mode=payment&{lines}=price_none"),
            400,
            "resource_missing",
            "line_items[0][price]",
        ),
        (sessions, &format!("mode=payment&{lines}=price_pro"), 400, "", ""),
        (sessions, &format!("mode=subscription&{lines}=price_dfystarter"), 400, "", "line_items"),
        (
            sessions,
            &format!("mode=subscription&{lines}=price_pro&line_items[1][price]=price_proyear"),
            400,
            "",
            "line_items",
        ),
        (
            sessions,
            &format!("mode=payment&customer=a&customer_email=b&{lines}=price_dfystarter"),
            400,
            "",
            "customer",
        ),
    ] {
        let answer = stripe.post_form(path, form).await;
        assert_eq!(answer.status, status, "{path} {form}: {}", answer.json);
        assert_eq!((answer.str("/error/code"), answer.str("/error/param")), (code, param), "{path} {form}");
        assert_eq!(answer.str("/error/type"), "invalid_request_error");
        assert!(answer.request_id.starts_with("req_") && !answer.str("/error/message").is_empty());
    }
}

#[tokio::test]
async fn only_the_accounts_key_opens_and_only_known_versions_are_served() {
    let stripe = Stripe::start();
    let with = async |name, value| {
        stripe.call(Method::GET, "/v1/account", "", &[(name, value)]).await.expect("an answer")
    };
    assert_eq!(with("authorization", "Bearer sk_test_other").await.status, 401);
    assert_eq!(with("stripe-version", "2017-01-01").await.status, 400);
    assert_eq!(with("stripe-version", "2024-06-20").await.str("/country"), "GB");
}

#[tokio::test]
async fn the_same_idempotency_key_does_it_once() {
    let stripe = Stripe::start();
    let create = async |form: &str, key: &str| {
        let headers = [("idempotency-key", key)];
        stripe.call(Method::POST, "/v1/customers", form, &headers).await.expect("an answer")
    };
    let (first, second) =
        (create("email=a@example.com", "k").await, create("email=a@example.com", "k").await);
    assert_eq!(first.json, second.json);
    assert_eq!((first.replayed, second.replayed, &first.request_id), (false, true, &second.request_id));
    let other = create("email=b@example.com", "k").await;
    assert_eq!((other.status.as_u16(), other.str("/error/type")), (400, "idempotency_error"));
    assert_eq!(create("email=nobody", "refused").await.status, 400);
    assert_eq!(create("email=c@example.com", "refused").await.status, 200, "a refusal is not kept");
    stripe.world().advance(86400);
    assert_ne!(
        create("email=a@example.com", "k").await.json["id"],
        first.json["id"],
        "a day later it is forgotten"
    );
}

#[tokio::test]
async fn pages_lead_through_a_list_both_ways() {
    let stripe = Stripe::start();
    let customer = |n| id(&stripe.post("/v1/customers", json!({"name": format!("{n}")})));
    let made: Vec<_> = (0..5).map(customer).collect();
    let first = stripe.get("/v1/customers?limit=2").await;
    assert_eq!((first.ids(), &first.json["has_more"]), (vec![&*made[4], &*made[3]], &json!(true)));
    let last = stripe.get(&format!("/v1/customers?limit=3&starting_after={}", made[3])).await;
    assert_eq!((last.ids(), &last.json["has_more"]), (vec![&*made[2], &*made[1], &*made[0]], &json!(false)));
    let back = stripe.get(&format!("/v1/customers?limit=2&ending_before={}", made[0])).await;
    assert_eq!((back.ids(), &back.json["has_more"]), (vec![&*made[2], &*made[1]], &json!(true)));
    for bad in ["limit=0", "limit=101", "starting_after=cus_none"] {
        assert_eq!(stripe.get(&format!("/v1/customers?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn expansion_shows_objects_in_place_of_their_ids() {
    let stripe = Stripe::start();
    let session = stripe.buy("starter", ADA);
    let path = format!("/v1/checkout/sessions/{session}");
    let bare = stripe.get(&path).await;
    assert!(bare.str("/payment_intent").starts_with("pi_"), "{}", bare.json);
    assert!(bare.json.get("line_items").is_none() && bare.json.get("_line_items").is_none());
    let full = stripe.get(&format!("{path}?expand[]=payment_intent.latest_charge&expand[]=line_items")).await;
    assert_eq!(full.str("/payment_intent/latest_charge/status"), "succeeded");
    assert_eq!(full.str("/line_items/data/0/price/id"), "price_dfystarter");
    let listed = stripe.get("/v1/checkout/sessions?expand[0]=data.payment_intent").await;
    assert_eq!(listed.str("/data/0/payment_intent/object"), "payment_intent");
    let wrong = stripe.get(&format!("{path}?expand[]=mode")).await;
    assert_eq!((wrong.status.as_u16(), wrong.str("/error/param")), (400, "expand"));
}

#[tokio::test]
async fn the_fourteen_prices_are_there_and_can_be_changed() {
    let stripe = Stripe::start();
    assert_eq!(price_settings().len(), 14);
    for (setting, price) in price_settings() {
        let price = stripe.get(&format!("/v1/prices/{price}")).await;
        assert_eq!(price.json["active"], true, "{setting}");
        let yearly = if setting.ends_with("_YEAR") { "year" } else { price.str("/recurring/interval") };
        assert_eq!(price.str("/recurring/interval"), yearly, "{setting}");
    }
    let changed = stripe.post_form("/v1/prices/price_proyear", "active=false").await;
    assert_eq!((&changed.json["active"], &changed.json["unit_amount"]), (&json!(false), &json!(49000)));
    assert_eq!(stripe.get("/v1/prices?active=false").await.ids(), ["price_proyear"]);
    assert_eq!(stripe.get("/v1/prices?limit=100&type=one_time").await.ids().len(), 3);
}

#[tokio::test]
async fn older_versions_show_fields_where_they_used_to_be() {
    let stripe = Stripe::start();
    let customer = id(&stripe.post("/v1/customers", json!({"email": "ada@example.com"})));
    let items = json!({"customer": customer, "items": [{"price": "price_pro"}]});
    let subscription = id(&stripe.post("/v1/subscriptions", items));
    let at = async |path: &str, version: &str| {
        stripe.call(Method::GET, path, "", &[("stripe-version", version)]).await.expect("an answer").json
    };
    let path = format!("/v1/subscriptions/{subscription}?expand[]=latest_invoice");
    let (new, old) = (at(&path, API_VERSION).await, at(&path, "2024-06-20").await);
    assert!(new.get("current_period_end").is_none(), "{new}");
    assert_eq!(old["current_period_end"], new["items"]["data"][0]["current_period_end"]);
    assert!(old["items"]["data"][0].get("current_period_end").is_none());
    assert!(
        new["latest_invoice"].get("subscription").is_none() && old["latest_invoice"].get("parent").is_none()
    );
    assert_eq!(new["latest_invoice"]["parent"]["subscription_details"]["subscription"], subscription);
    assert_eq!(old["latest_invoice"]["subscription"], subscription);
    assert!(old["latest_invoice"]["payment_intent"].is_string());
}
