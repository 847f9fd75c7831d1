//! Subscriptions and invoices through their months.

use serde_json::{Value, json};

use crate::fakes::stripe::{Buyer, Stripe, id};

const ADA: Buyer<'static> = Buyer { name: "Ada", email: "ada@example.com" };

impl Stripe {
    /// Ada subscribes to Pro at checkout; the subscription and the customer.
    fn subscribe(&self) -> (String, String) {
        let session = id(&self.post(
            "/v1/checkout/sessions",
            json!({
                "mode": "subscription", "success_url": "https://example.com", "metadata": {"plan": "pro"},
                "line_items": [{"price": "price_pro"}], "subscription_data": {"metadata": {"plan": "pro"}},
            }),
        ));
        self.world().pay_by_card(&session, ADA);
        let shown = self.world().get(&session).clone();
        let field = |name: &str| shown[name].as_str().expect("an id").to_owned();
        (field("subscription"), field("customer"))
    }

    /// The types of the events since this many.
    fn types_since(&self, from: usize) -> Vec<String> {
        self.world().events[from..].iter().map(|event| event.kind.clone()).collect()
    }
}

#[tokio::test]
async fn a_subscription_checkout_makes_customer_subscription_and_paid_invoice() {
    let stripe = Stripe::start();
    let (subscription, customer) = stripe.subscribe();
    let expected = [
        "customer.created",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "checkout.session.completed",
    ];
    assert_eq!(stripe.types_since(0), expected);
    let shown =
        stripe.get(&format!("/v1/subscriptions/{subscription}?expand[]=latest_invoice.payments")).await;
    assert_eq!((shown.str("/status"), shown.str("/metadata/plan")), ("active", "pro"));
    assert_eq!(shown.str("/latest_invoice/payments/data/0/payment/type"), "payment_intent");
    assert_eq!(shown.json["latest_invoice"]["amount_paid"], 4900);
    assert_eq!(stripe.get(&format!("/v1/invoices?customer={customer}&status=paid")).await.ids().len(), 1);
    assert_eq!(stripe.get("/v1/invoice_payments").await.ids().len(), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_is_retried_until_stripe_gives_up() {
    let stripe = Stripe::start();
    let (subscription, customer) = stripe.subscribe();
    let status =
        async || stripe.get(&format!("/v1/subscriptions/{subscription}")).await.str("/status").to_owned();
    stripe.world().set_card_declines(&customer, true);
    let from = stripe.types_since(0).len();
    let invoice = stripe.world().renew(&subscription).expect("an invoice");
    let seen = stripe.types_since(from);
    assert_eq!(seen[..2], ["customer.subscription.updated", "invoice.created"]);
    assert_eq!(seen[seen.len() - 2..], ["invoice.payment_failed", "customer.subscription.updated"]);
    assert_eq!(status().await, "past_due");
    let path = format!("/v1/invoices/{invoice}");
    assert!(stripe.get(&path).await.json["next_payment_attempt"].is_i64());
    assert_eq!(stripe.post_form(&format!("{path}/pay"), "").await.status, 402);
    stripe.world().retry(&invoice);
    assert_eq!(status().await, "past_due");
    stripe.world().retry(&invoice);
    assert_eq!(stripe.get(&path).await.json["attempt_count"], 4);
    assert_eq!(status().await, "canceled");
    assert_eq!(stripe.types_since(0).last().map(String::as_str), Some("customer.subscription.deleted"));
    assert!(stripe.get("/v1/subscriptions").await.ids().is_empty());
    assert_eq!(stripe.get("/v1/subscriptions?status=all").await.ids().len(), 1);
}

#[tokio::test]
async fn a_card_that_works_again_recovers_the_subscription() {
    let stripe = Stripe::start();
    let (subscription, customer) = stripe.subscribe();
    stripe.world().set_card_declines(&customer, true);
    let invoice = stripe.world().renew(&subscription).expect("an invoice");
    stripe.world().set_card_declines(&customer, false);
    let path = format!("/v1/invoices/{invoice}/pay");
    assert_eq!(stripe.post_form(&path, "").await.str("/status"), "paid");
    assert_eq!(stripe.post_form(&path, "").await.str("/error/code"), "invoice_already_paid");
    assert_eq!(stripe.get(&format!("/v1/subscriptions/{subscription}")).await.str("/status"), "active");
}

#[tokio::test]
async fn a_subscription_changes_and_ends_on_request() {
    let stripe = Stripe::start();
    let (subscription, _) = stripe.subscribe();
    let path = format!("/v1/subscriptions/{subscription}");
    let item = stripe.get(&path).await.str("/items/data/0/id").to_owned();
    let change = format!("items[0][id]={item}&items[0][price]=price_business");
    assert_eq!(stripe.post_form(&path, &change).await.str("/items/data/0/price/id"), "price_business");
    let ending = stripe.post_form(&path, "cancel_at_period_end=true").await;
    assert_eq!(ending.json["cancel_at"], ending.json["items"]["data"][0]["current_period_end"]);
    let last: Value = stripe.get("/v1/events?limit=1").await.json["data"][0].clone();
    assert_eq!(last["data"]["previous_attributes"]["cancel_at_period_end"], false);
    assert_eq!(stripe.world().renew(&subscription), None);
    assert_eq!(stripe.get(&path).await.str("/status"), "canceled");
    assert_eq!(stripe.post_form(&path, "cancel_at_period_end=false").await.status, 404);
    let (other, _) = stripe.subscribe();
    let path = format!("/v1/subscriptions/{other}");
    let ended = stripe.call(reqwest::Method::DELETE, &path, "", &[]).await.expect("an answer");
    assert_eq!(ended.str("/cancellation_details/reason"), "cancellation_requested");
}

#[tokio::test]
async fn an_end_that_is_set_as_a_time_is_unset_as_a_time() {
    let stripe = Stripe::start();
    let (subscription, _) = stripe.subscribe();
    let path = format!("/v1/subscriptions/{subscription}");
    let period_end = async || stripe.get(&path).await.json["items"]["data"][0]["current_period_end"].clone();
    let end = period_end().await;
    let ending = stripe.post_form(&path, &format!("cancel_at={end}")).await;
    assert_eq!(ending.json["cancel_at"], end);
    assert_eq!(ending.json["cancel_at_period_end"], false);
    assert_eq!(stripe.post_form(&path, "cancel_at=&cancel_at_period_end=false").await.status, 400);
    assert_eq!(stripe.post_form(&path, "cancel_at_period_end=false").await.json["cancel_at"], end);
    assert!(stripe.post_form(&path, "cancel_at=").await.json["cancel_at"].is_null());
    assert!(stripe.world().renew(&subscription).is_some(), "it goes on");
    stripe.post_form(&path, &format!("cancel_at={}", period_end().await)).await;
    assert_eq!(stripe.world().renew(&subscription), None);
}
