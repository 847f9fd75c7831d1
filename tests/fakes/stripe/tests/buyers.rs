//! What buyers and their banks do, and the events that result, in Stripe's order.

use serde_json::json;

use crate::fakes::stripe::{Buyer, Stripe, World, id};

const ADA: Buyer<'static> = Buyer { name: "Ada", email: "ada@example.com" };

impl Stripe {
    /// The types of the events so far.
    fn types(&self) -> Vec<String> {
        self.world().events.iter().map(|event| event.kind.clone()).collect()
    }

    /// A field of an object, as the API shows it.
    async fn field(&self, path: &str, pointer: &str) -> serde_json::Value {
        self.get(path).await.json.pointer(pointer).cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_card_pays_at_once() {
    let stripe = Stripe::start();
    let session = stripe.buy("professional", ADA);
    let expected = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ];
    assert_eq!(stripe.types(), expected);
    let shown = stripe.get(&format!("/v1/checkout/sessions/{session}")).await;
    assert_eq!((shown.str("/status"), shown.str("/payment_status")), ("complete", "paid"));
    assert_eq!(
        (shown.str("/customer_details/email"), &shown.json["customer"]),
        ("ada@example.com", &json!(null))
    );
    assert_eq!(shown.json["amount_total"], 24900);
}

#[tokio::test]
async fn a_debit_is_complete_before_it_is_paid() {
    let stripe = Stripe::start();
    for (succeeds, last, status) in [
        (true, "checkout.session.async_payment_succeeded", "paid"),
        (false, "checkout.session.async_payment_failed", "unpaid"),
    ] {
        let session = stripe.done_for_you("starter", json!({}));
        let path = format!("/v1/checkout/sessions/{session}");
        stripe.world().pay_by_debit(&session, ADA);
        assert_eq!(stripe.field(&path, "/payment_status").await, "unpaid");
        assert_eq!(stripe.field(&path, "/status").await, "complete");
        stripe.world().advance(5 * 86400);
        let end = if succeeds { World::debit_succeeds } else { World::debit_fails };
        end(&mut stripe.world(), &session);
        assert_eq!(stripe.types().last().map(String::as_str), Some(last));
        assert_eq!(stripe.field(&path, "/payment_status").await, status);
    }
}

#[tokio::test]
async fn a_declined_card_leaves_the_checkout_open_for_another() {
    let stripe = Stripe::start();
    let session = stripe.done_for_you("starter", json!({}));
    stripe.world().be_declined(&session, ADA);
    assert_eq!(stripe.types()[1..], ["charge.failed", "payment_intent.payment_failed"]);
    assert_eq!(stripe.field(&format!("/v1/checkout/sessions/{session}"), "/status").await, "open");
    stripe.world().pay_by_card(&session, ADA);
    let expanded = format!("/v1/checkout/sessions/{session}?expand[]=payment_intent.latest_charge");
    assert_eq!(stripe.field(&expanded, "/payment_intent/latest_charge/status").await, "succeeded");
    assert_eq!(stripe.get("/v1/charges").await.ids().len(), 2);
}

#[tokio::test]
async fn a_checkout_ends_free_or_expired() {
    let stripe = Stripe::start();
    let free = stripe.done_for_you("starter", json!({"customer_creation": "always"}));
    stripe.world().pay_nothing(&free, ADA);
    assert_eq!(stripe.types(), ["customer.created", "checkout.session.completed"]);
    let path = format!("/v1/checkout/sessions/{free}");
    assert_eq!(stripe.field(&path, "/payment_status").await, "no_payment_required");
    assert_eq!(stripe.field(&path, "/amount_total").await, 0);
    let left = stripe.done_for_you("starter", json!({"customer_email": "bob@example.com"}));
    let path = format!("/v1/checkout/sessions/{left}");
    assert_eq!(stripe.field(&path, "/customer_details/email").await, "bob@example.com");
    assert_eq!(stripe.post_form(&format!("{path}/expire"), "").await.str("/status"), "expired");
    assert_eq!(stripe.post_form(&format!("{path}/expire"), "").await.status, 400);
    assert_eq!(stripe.types().last().map(String::as_str), Some("checkout.session.expired"));
}

#[tokio::test]
async fn money_is_refunded_in_parts_and_never_more_than_was_paid() {
    let stripe = Stripe::start();
    let session = stripe.buy("starter", ADA);
    let intent = stripe.field(&format!("/v1/checkout/sessions/{session}"), "/payment_intent").await;
    let intent = intent.as_str().expect("an intent");
    let charge = stripe.field(&format!("/v1/payment_intents/{intent}"), "/latest_charge").await;
    let path = format!("/v1/charges/{}?expand[]=refunds", charge.as_str().expect("a charge"));
    let refund =
        async |more: &str| stripe.post_form("/v1/refunds", &format!("payment_intent={intent}{more}")).await;
    assert_eq!(refund("&amount=900&reason=requested_by_customer").await.json["amount"], 900);
    assert_eq!(stripe.field(&path, "/refunded").await, false);
    assert_eq!(refund("&amount=9001").await.str("/error/param"), "amount");
    assert_eq!(refund("").await.json["amount"], 9000, "the rest");
    assert_eq!(stripe.field(&path, "/refunded").await, true);
    assert_eq!(stripe.field(&path, "/refunds/data/1/reason").await, "requested_by_customer");
    assert_eq!(refund("").await.str("/error/code"), "charge_already_refunded");
    assert_eq!(stripe.types()[4..7], ["refund.created", "charge.refunded", "refund.updated"]);
}

#[tokio::test]
async fn a_payment_needs_no_checkout_and_a_customer_can_go() {
    let stripe = Stripe::start();
    let customer = id(&stripe.post("/v1/customers", json!({"email": "ada@example.com"})));
    let intent = stripe.world().pay_directly(&customer, 1234);
    assert_eq!(stripe.field(&format!("/v1/payment_intents/{intent}"), "/amount_received").await, 1234);
    let path = format!("/v1/customers/{customer}");
    let gone = stripe.call(reqwest::Method::DELETE, &path, "", &[]).await.expect("an answer");
    assert_eq!(gone.json["deleted"], true);
    assert_eq!(stripe.field(&path, "/deleted").await, true);
    assert!(stripe.get("/v1/customers").await.ids().is_empty());
    assert_eq!(stripe.types().last().map(String::as_str), Some("customer.deleted"));
}
