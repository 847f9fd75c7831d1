//! One paid order, from Stripe's event to the customer's mails.

use levqor_runtime::{metrics::Format, testing::eventually};
use serde_json::json;

use crate::{
    harness::Mesh,
    stripe::{checkout, event, paid_checkout, sign},
};

#[tokio::test]
async fn a_paid_checkout_becomes_an_order_and_two_mails() {
    let mesh = Mesh::start().await;
    let accepted = mesh.deliver(&paid_checkout("1", "alice")).await;
    assert_eq!((accepted.status, accepted.str("/event_id")), (200, "evt_1"));
    mesh.settle().await;
    let alice = mesh.customer("alice");
    let orders = alice.get("/v1/orders").await;
    assert_eq!(orders.list("orders").len(), 1, "{}", orders.text);
    for (pointer, expected) in [
        ("/orders/0/tier", "TIER_STARTER"),
        ("/orders/0/payment_state", "PAYMENT_STATE_PAID"),
        ("/orders/0/fulfilment_state", "FULFILMENT_STATE_AWAITING_INTAKE"),
        ("/orders/0/amount/currency_code", "GBP"),
        ("/orders/0/customer_email", "alice@example.com"),
        ("/orders/0/stripe_checkout_session_id", "cs_test_1"),
    ] {
        assert_eq!(orders.str(pointer), expected, "{pointer}");
    }
    assert_eq!(orders.json.pointer("/orders/0/amount/minor_units"), Some(&json!(9900)));
    let id = orders.str("/orders/0/order_id");
    assert_eq!(alice.get(&format!("/v1/orders/{id}")).await.str("/order/order_id"), id);
    let mails = mesh.staff().get(&format!("/v1/messages?about=order:{id}")).await;
    let mut subjects: Vec<_> =
        (0..2).map(|n| mails.str(&format!("/messages/{n}/subject")).to_owned()).collect();
    subjects.sort();
    assert_eq!(
        subjects,
        ["Next step: Tell us about your automation needs", "Welcome! Your Starter order is confirmed"]
    );
    for n in 0..2 {
        assert_eq!(mails.str(&format!("/messages/{n}/state")), "STATE_SENT");
        assert_eq!(mails.str(&format!("/messages/{n}/recipient")), "alice@example.com");
        assert!(
            !mails.str(&format!("/messages/{n}/provider_message_id")).is_empty(),
            "sent without evidence"
        );
    }
    mesh.finish().await;
}

#[tokio::test]
async fn with_certificates_the_journey_works_over_tls_and_no_process_is_refused() {
    let mesh = Mesh::start_with_certificates(&[]).await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "alice")).await.status, 200);
    mesh.settle().await;
    let orders = mesh.customer("alice").get("/v1/orders").await;
    assert_eq!(orders.list("orders").len(), 1, "{}", orders.text);
    let id = orders.str("/orders/0/order_id");
    let mails = mesh.staff().get(&format!("/v1/messages?about=order:{id}")).await;
    assert_eq!(mails.list("messages").len(), 2, "{}", mails.text);
    let page = mesh.scrape(Format::accepted("text/plain")).await;
    let of_certificates =
        |line: &&str| line.starts_with("levqor_tls_refusals_total") && line.contains("CERTIFICATE_");
    let counts: Vec<_> = page.lines().filter(of_certificates).collect();
    assert_eq!(counts.len(), 4 * 5, "each service counts for each reason: {counts:?}");
    assert!(counts.iter().all(|line| line.ends_with(" 0")), "{counts:?}");
    mesh.finish().await;
}

#[tokio::test]
async fn the_mail_is_readable_as_html_and_text_and_the_customers_text_is_escaped() {
    let mesh = Mesh::start().await;
    mesh.deliver(&paid_checkout("1", "alice")).await;
    mesh.settle().await;
    let staff = mesh.staff();
    let mails = staff.get("/v1/messages?template=order_welcome&recipient=Alice@Example.com").await;
    let id = mails.str("/messages/0/message_id");
    let html = staff.get(&format!("/v1/messages/{id}/preview")).await;
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    assert!(html.text.contains("alice &lt;b&gt;Bold&lt;"), "the name is escaped: {}", html.text);
    assert!(!html.text.contains("<b>Bold"), "the name is markup");
    let policy = html.headers["content-security-policy"].to_str().expect("policy");
    assert!(policy.contains("sandbox"), "{policy}");
    let text = staff.get(&format!("/v1/messages/{id}/preview?format=FORMAT_TEXT")).await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert!(text.text.contains("£99.00") && text.text.contains("48 hours"), "{}", text.text);
    mesh.finish().await;
}

#[tokio::test]
async fn the_same_event_ten_times_at_once_makes_one_order() {
    let mesh = Mesh::start().await;
    let body = paid_checkout("1", "alice").to_string();
    let signature = sign(&body);
    let posts = (0..10).map(|_| mesh.post_webhook("/webhooks/stripe", &signature, body.clone()));
    let mut fresh = 0;
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
        fresh += usize::from(answer.json["duplicate"] == json!(false));
    }
    assert_eq!(fresh, 1);
    mesh.settle().await;
    assert_eq!(mesh.post_webhook("/webhooks/stripe", &signature, body).await.json["duplicate"], json!(true));
    mesh.settle().await;
    let staff = mesh.staff();
    assert_eq!(staff.get("/v1/orders").await.list("orders").len(), 1);
    assert_eq!(staff.get("/v1/messages").await.list("messages").len(), 2);
    mesh.finish().await;
}

#[tokio::test]
async fn payment_status_decides_and_not_the_events_name() {
    let mesh = Mesh::start().await;
    let mut session = checkout("1", "alice");
    session["payment_status"] = json!("unpaid");
    mesh.deliver(&event("completed", "checkout.session.completed", &session)).await;
    mesh.settle().await;
    let staff = mesh.staff();
    assert_eq!(staff.get("/v1/orders").await.str("/orders/0/payment_state"), "PAYMENT_STATE_PENDING");
    assert_eq!(staff.get("/v1/messages").await.list("messages").len(), 0, "no mail before the money");
    session["payment_status"] = json!("paid");
    mesh.deliver(&event("succeeded", "checkout.session.async_payment_succeeded", &session)).await;
    mesh.settle().await;
    assert_eq!(staff.get("/v1/orders").await.str("/orders/0/payment_state"), "PAYMENT_STATE_PAID");
    assert_eq!(staff.get("/v1/messages").await.list("messages").len(), 2);
    mesh.finish().await;
}

#[tokio::test]
async fn a_subscription_makes_no_order_and_no_mail() {
    let mesh = Mesh::start().await;
    let mut session = checkout("1", "alice");
    session["mode"] = json!("subscription");
    session["metadata"] = json!({"mode": "subscription", "plan": "pro", "term": "monthly"});
    assert_eq!(mesh.deliver(&event("1", "checkout.session.completed", &session)).await.status, 200);
    mesh.settle().await;
    let staff = mesh.staff();
    assert_eq!(staff.get("/v1/stripe-events/evt_1").await.str("/stripe_event/state"), "STATE_PROCESSED");
    assert_eq!(staff.get("/v1/orders").await.list("orders").len(), 0);
    assert_eq!(staff.get("/v1/messages").await.list("messages").len(), 0);
    mesh.finish().await;
}

#[tokio::test]
async fn every_status_surface_says_that_nothing_is_refetched_from_stripe() {
    let mesh = Mesh::start().await;
    for (who, reasons) in [(mesh.anon(), false), (mesh.customer("alice"), false), (mesh.staff(), true)] {
        // The gateway waits two seconds for a service, and then tells no capabilities of it.
        let status = eventually("billing answers in time", || async {
            let status = who.get("/v1/status").await;
            assert_eq!(status.status, 200);
            status.json["services"]["billing"]["capabilities"].is_array().then_some(status)
        })
        .await;
        let capabilities =
            status.json["services"]["billing"]["capabilities"].as_array().expect("capabilities");
        let refetch = capabilities.iter().find(|c| c["name"] == "stripe_refetch").expect("stripe_refetch");
        assert_eq!(refetch["state"], "OFF");
        let reason = refetch["reason"].as_str().unwrap_or_default();
        assert_eq!(reason.contains("STRIPE_SECRET_KEY"), reasons, "{reason}");
    }
    mesh.finish().await;
}
