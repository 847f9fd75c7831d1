//! Each metric changes when the thing that it counts happens, and at no other time.

use levqor_runtime::metrics::Format;
use serde_json::json;

use super::page::Page;
use crate::{
    fakes::mail::{
        API_KEY, FakeMail,
        webhooks::{OTHER_WEBHOOK_SECRET, Webhook, event as event_of, no_such_address},
    },
    harness::Mesh,
    stripe::{OTHER_SECRET, event, paid_checkout, sign, sign_with},
};

async fn page(mesh: &Mesh) -> Page {
    Page::read(&mesh.scrape(Format::Plain).await)
}

const TAKEN: &str = "levqor_webhook_events_total";
const REFUSED: &str = "levqor_webhook_refusals_total";

#[tokio::test]
async fn a_paid_order_moves_what_it_passes_on_its_way() {
    let mesh = Mesh::start().await;
    let before = page(&mesh).await;
    mesh.deliver(&paid_checkout("1", "alice")).await;
    mesh.settle().await;
    let after = page(&mesh).await;
    let ingest = "levqor.billing.v1.BillingService/IngestStripeEvent";
    let deliver = "levqor.notifications.v1.NotificationsService/DeliverMessage";
    for (name, labels, rise) in [
        ("http_server_request_duration_seconds_count", &[("http_route", "/webhooks/stripe")][..], 1.0),
        (
            "rpc_server_call_duration_seconds_count",
            &[("rpc_method", ingest), ("service_name", "levqor-billing")],
            1.0,
        ),
        (
            "rpc_client_call_duration_seconds_count",
            &[("rpc_method", ingest), ("service_name", "levqor-gateway")],
            1.0,
        ),
        (TAKEN, &[("outcome", "accepted")], 1.0),
        (TAKEN, &[("outcome", "duplicate")], 0.0),
        (REFUSED, &[], 0.0),
        ("levqor_webhook_verified_total", &[("secret", "0")], 1.0),
        ("levqor_webhook_verified_total", &[("secret", "1")], 0.0),
        ("levqor_journal_verdicts_total", &[("verdict", "processed")], 1.0),
        ("levqor_journal_verdicts_total", &[("verdict", "quarantined")], 0.0),
        ("levqor_orders_paid_total", &[("currency", "GBP"), ("tier", "STARTER")], 1.0),
        ("levqor_orders_paid_total", &[], 1.0),
        ("levqor_orders_paid_amount_total", &[("currency", "GBP")], 9900.0),
        ("levqor_mail_messages_total", &[("template", "order_welcome"), ("state", "pending")], 1.0),
        ("levqor_mail_messages_total", &[("state", "sent")], 2.0),
        ("levqor_mail_messages_total", &[("state", "failed")], 0.0),
        ("levqor_deferred_call_deliveries_total", &[("rpc_method", deliver), ("outcome", "done")], 2.0),
        ("levqor_deferred_call_deliveries_total", &[("outcome", "dead")], 0.0),
    ] {
        assert!((after.rise(&before, name, labels) - rise).abs() < 1e-9, "{name}{labels:?} {after:?}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn webhooks_are_counted_by_outcome_and_by_secret() {
    let mesh = Mesh::start().await;
    let before = page(&mesh).await;
    let intent = json!({"id": "pi_1", "object": "payment_intent"});
    for (n, made_up) in ["payment_intent.of.alice", "payment_intent.reinvented"].into_iter().enumerate() {
        let made_up = event(&format!("made_up_{n}"), made_up, &intent).to_string();
        assert_eq!(mesh.post_webhook("/webhooks/stripe", &sign(&made_up), made_up.clone()).await.status, 200);
    }
    let event = event("1", "payment_intent.created", &intent).to_string();
    for _ in 0..2 {
        let signature = sign_with(OTHER_SECRET, 0, &event);
        assert_eq!(mesh.post_webhook("/webhooks/stripe", &signature, event.clone()).await.status, 200);
    }
    assert_eq!(mesh.post_webhook("/webhooks/stripe", &sign("another"), event.clone()).await.status, 400);
    assert_eq!(mesh.post_webhook("/webhooks/stripe", "", event).await.status, 400);
    mesh.settle().await;
    let after = page(&mesh).await;
    for (name, labels, rise) in [
        (TAKEN, [("outcome", "accepted")], 3.0),
        (TAKEN, [("outcome", "duplicate")], 1.0),
        (REFUSED, [("reason", "SIGNATURE_MISMATCH")], 1.0),
        (REFUSED, [("reason", "SIGNATURE_MISSING")], 1.0),
        ("levqor_webhook_verified_total", [("secret", "0")], 2.0),
        ("levqor_webhook_verified_total", [("secret", "1")], 2.0),
        ("levqor_journal_verdicts_total", [("verdict", "ignored")], 3.0),
        ("levqor_stripe_events_ignored_total", [("type", "payment_intent.created")], 1.0),
        ("levqor_stripe_events_ignored_total", [("type", "other")], 2.0),
        ("http_server_request_duration_seconds_count", [("http_response_status_code", "400")], 2.0),
    ] {
        assert!((after.rise(&before, name, &labels) - rise).abs() < 1e-9, "{name}{labels:?} {after:?}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn invented_values_of_callers_do_not_become_labels() {
    let mesh = Mesh::start().await;
    let bizarre = reqwest::Method::from_bytes(b"BIZARRE").expect("a method");
    mesh.anon().call(bizarre, "/bizarre/path", None).await;
    mesh.anon().get("/v1/orders/bizarre").await;
    let event = event("1", "bizarre.event", &json!({"id": "bizarre_1", "object": "bizarre"}));
    assert_eq!(mesh.deliver(&event).await.status, 200);
    let text = mesh.scrape(Format::OpenMetrics).await;
    assert!(!text.to_lowercase().contains("bizarre"), "{text}");
    let page = Page::read(&mesh.scrape(Format::Plain).await);
    let other = [("http_request_method", "_OTHER"), ("http_response_status_code", "404")];
    assert_eq!(page.sum("http_server_request_duration_seconds_count", &other), Some(1.0), "{text}");
    mesh.finish().await;
}

#[tokio::test]
async fn events_of_the_mail_provider_are_counted_by_type_and_outcome() {
    let provider = FakeMail::start();
    let mesh = Mesh::start_with(&[("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &provider.url())]).await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "alice")).await.status, 200);
    mesh.settle().await;
    let before = page(&mesh).await;
    let bounced = provider.tell(0, "email.bounced", 7, &no_such_address());
    let of_nobody = Webhook::of(&event_of("email.delivered", "em_of_nobody", 1, &json!({})).to_string());
    let opened = Webhook::signed(OTHER_WEBHOOK_SECRET, 0, r#"{"type":"email.opened"}"#);
    // The second bounce is another event, but it has no new information about the mail.
    let again = provider.tell(0, "email.bounced", 8, &no_such_address());
    for webhook in [&bounced, &bounced, &of_nobody, &opened, &again] {
        assert_eq!(mesh.tell(webhook).await.status, 200);
    }
    assert_eq!(mesh.tell(&Webhook { signature: String::new(), ..bounced }).await.status, 400);
    mesh.advance(chrono::TimeDelta::hours(2)).await;
    mesh.settle().await;
    let after = page(&mesh).await;
    let resend = ("provider", "resend");
    let (events, deliveries) = ("levqor_mail_provider_events_total", "levqor_mail_deliveries_total");
    for (name, labels, rise) in [
        (TAKEN, &[resend, ("outcome", "accepted")][..], 4.0),
        (TAKEN, &[resend, ("outcome", "duplicate")], 1.0),
        (REFUSED, &[resend, ("reason", "SIGNATURE_MISSING")], 1.0),
        (REFUSED, &[], 1.0),
        ("levqor_webhook_verified_total", &[resend, ("secret", "0")], 4.0),
        ("levqor_webhook_verified_total", &[resend, ("secret", "1")], 1.0),
        (events, &[("type", "email.bounced"), ("verdict", "applied")], 2.0),
        (events, &[("type", "email.delivered"), ("verdict", "unmatched")], 1.0),
        (events, &[("type", "email.opened"), ("verdict", "ignored")], 1.0),
        (events, &[], 4.0),
        (deliveries, &[("outcome", "bounced_hard")], 1.0),
        (deliveries, &[], 1.0),
    ] {
        assert!((after.rise(&before, name, labels) - rise).abs() < 1e-9, "{name}{labels:?} {after:?}");
    }
    mesh.finish().await;
}

#[tokio::test]
async fn refusals_are_counted_under_the_names_that_alerts_query() {
    let mesh = Mesh::start_with(&[("RESEND_WEBHOOK_SECRET", "")]).await;
    let before = page(&mesh).await;
    let taken = mesh.post_webhook("/webhooks/stripe", &sign("not JSON"), "not JSON".to_owned()).await;
    assert_eq!(taken.status, 400);
    assert_eq!(mesh.tell(&Webhook::of("{}")).await.status, 404);
    let after = page(&mesh).await;
    for (name, labels, rise) in [
        (REFUSED, &[("provider", "stripe"), ("reason", "INVALID_REQUEST")][..], 1.0),
        (REFUSED, &[("provider", "resend"), ("reason", "WEBHOOKS_OFF")], 1.0),
        (REFUSED, &[("reason", "OTHER")], 0.0),
        (REFUSED, &[], 2.0),
    ] {
        assert!((after.rise(&before, name, labels) - rise).abs() < 1e-9, "{name}{labels:?} {after:?}");
    }
    mesh.finish().await;
}
