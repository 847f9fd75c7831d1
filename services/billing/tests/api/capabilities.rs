//! The capabilities and the backlog that the service reports.

use levqor_runtime::service::Service;
use serde_json::json;

use crate::support::{Bench, event, session, with};

fn told(bench: &Bench) -> Vec<(&'static str, bool, String)> {
    let capabilities = bench.service.running.service.capabilities();
    capabilities
        .into_iter()
        .map(|capability| (capability.name, capability.is_on(), capability.reason))
        .collect()
}

#[tokio::test]
async fn without_a_key_the_status_says_that_convergence_is_not_guaranteed() {
    let told = told(&Bench::start().await);
    let reason =
        "STRIPE_SECRET_KEY is not set: orders follow the events' own objects, so they may differ from Stripe";
    assert_eq!(told[0], ("stripe_webhooks", true, "1 live secret".to_owned()));
    assert_eq!(told[1], ("stripe_refetch", false, reason.to_owned()));
    assert_eq!(told[2], ("stripe_prices", false, "STRIPE_SECRET_KEY is not set".to_owned()));
    assert_eq!(
        told[3],
        ("stripe_mode", true, "events of test mode are acted on, all others are ignored".to_owned())
    );
    let files = "neither LEVQOR_STORAGE_DIR nor LEVQOR_STORAGE_S3_BUCKET is set: no file can be uploaded";
    assert_eq!(told[4], ("order_files", false, files.to_owned()));
    let offer = "LEVQOR_UPSELL_PROMOTION_CODE is not set".to_owned();
    assert_eq!(told[5], ("upgrade_offer", false, offer));
    let closed = ["checkout", "subscriptions", "refunds", "withdrawal"];
    assert_eq!(told[6..10], closed.map(|name| (name, false, "STRIPE_SECRET_KEY is not set".to_owned())));
    let waits = "STRIPE_SECRET_KEY is not set: the erasure of a person who has a customer at Stripe waits";
    assert_eq!(told[10], ("stripe_customer_deletion", false, waits.to_owned()));
    assert_eq!(told[11], ("stripe_redaction", false, "STRIPE_SECRET_KEY is not set".to_owned()));
    let missing = ["dunning", "invoices", "credits", "reconciliation", "revenue_figures"];
    assert_eq!(told[12..], missing.map(|name| (name, false, "not part of this version".to_owned())));
}

#[tokio::test]
async fn two_secrets_are_counted() {
    let told = told(&Bench::start_with(&[("STRIPE_WEBHOOK_SECRET", "whsec_a,whsec_b")]).await);
    assert_eq!(told[0], ("stripe_webhooks", true, "2 live secrets".to_owned()));
}

#[tokio::test]
async fn the_depth_of_the_journal_counts_events_that_are_not_understood() {
    let bench = Bench::start().await;
    let odd = with(session("cs_1"), &[("amount_total", json!(1))]);
    bench.process(&event("evt_1", "checkout.session.completed", &odd)).await;
    bench.process(&event("evt_2", "invoice.created", &json!({"id": "in_1", "object": "invoice"}))).await;
    let depth = bench.journal().await;
    assert_eq!((depth.pending, depth.quarantined), (0, 1));
}
