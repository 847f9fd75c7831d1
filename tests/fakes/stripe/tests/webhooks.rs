//! Webhooks, received by the whole mesh.

use std::{collections::BTreeMap, time::Duration};

use levqor_runtime::testing::eventually;
use serde_json::json;

use crate::{
    fakes::stripe::{Buyer, Endpoint, KEY, Stripe},
    harness::Mesh,
    stripe::SECRET,
};

const ADA: Buyer<'static> = Buyer { name: "Ada", email: "ada@example.com" };

/// A mesh that fetches from the fake, and is known to it by this endpoint.
async fn mesh(stripe: &Stripe, knobs: impl FnOnce(&mut Endpoint)) -> Mesh {
    let mesh = Mesh::start_with(&[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &stripe.url())]).await;
    let mut endpoint = Endpoint::new(&format!("{}/webhooks/stripe", mesh.url), SECRET, 1);
    knobs(&mut endpoint);
    stripe.world().register(endpoint);
    mesh
}

/// Waits until Stripe has nothing more to deliver, and nothing more follows from it.
async fn rest(stripe: &Stripe, mesh: &Mesh) {
    eventually("Stripe has delivered", || async { (stripe.world().under_way() == 0).then_some(()) }).await;
    mesh.settle().await;
}

#[tokio::test]
async fn billing_verifies_the_fakes_signatures_and_fetches_the_objects() {
    let stripe = Stripe::start();
    let mesh = mesh(&stripe, |_| ()).await;
    let session = stripe.buy("starter", ADA);
    rest(&stripe, &mesh).await;
    assert!(stripe.world().attempts().iter().all(|attempt| attempt.status == Some(200)));
    // Besides its requests for the order, billing asks whether its key may read sessions at all.
    let mut asked = stripe.world().requests().to_vec();
    asked.retain(|request| request != "GET /v1/checkout/sessions");
    assert_eq!(asked, [format!("GET /v1/checkout/sessions/{session}")]);
    let order = mesh.staff().get(&format!("/v1/orders?stripe_checkout_session_id={session}")).await;
    assert_eq!(
        (order.str("/orders/0/payment_state"), order.str("/orders/0/customer_email")),
        ("PAYMENT_STATE_PAID", ADA.email)
    );
    mesh.finish().await;
}

#[tokio::test]
async fn a_webhook_is_delivered_until_it_is_taken() {
    let stripe = Stripe::start();
    let mesh = mesh(&stripe, |endpoint| endpoint.secret = "whsec_of_somebody_else".to_owned()).await;
    stripe.post("/v1/customers", json!({"name": "Ada"}));
    eventually("it was refused twice", || async {
        (stripe.world().attempts().iter().filter(|attempt| attempt.status == Some(400)).count() >= 2)
            .then_some(())
    })
    .await;
    let pending = stripe.get("/v1/events").await.json["data"][0]["pending_webhooks"].clone();
    assert_eq!((pending, stripe.world().under_way()), (json!(1), 1));
    stripe.world().endpoints()[0].secret = SECRET.to_owned();
    rest(&stripe, &mesh).await;
    assert_eq!(stripe.world().attempts().last().and_then(|attempt| attempt.status), Some(200));
    assert_eq!(stripe.get("/v1/events").await.json["data"][0]["pending_webhooks"], 0);
    mesh.finish().await;
}

#[tokio::test]
async fn webhooks_arrive_twice_shuffled_or_never_and_the_journal_has_all_that_arrived() {
    let stripe = Stripe::start();
    let mesh = mesh(&stripe, |endpoint| {
        // Far more than lies between two posts, also on a busy machine.
        endpoint.jitter = Duration::from_secs(1);
        endpoint.doubled = 0.3;
        endpoint.lost = 0.3;
    })
    .await;
    for _ in 0..50 {
        stripe.post("/v1/customers", json!({"name": "Ada"}));
    }
    rest(&stripe, &mesh).await;
    let made = stripe.world().event_ids();
    let came: Vec<_> = stripe.world().attempts().iter().map(|attempt| attempt.event_id.clone()).collect();
    let mut times = BTreeMap::new();
    for id in &came {
        *times.entry(id.clone()).or_insert(0) += 1;
    }
    assert!(times.len() < made.len() && times.values().any(|times| *times == 2), "{times:?}");
    assert!(!came.is_sorted(), "{came:?}");
    let journal = "SELECT event_id FROM stripe_events ORDER BY event_id";
    let journal: Vec<String> =
        sqlx::query_scalar(journal).fetch_all(mesh.billing_db().pool()).await.expect("rows");
    assert_eq!(journal, times.into_keys().collect::<Vec<_>>());
    mesh.finish().await;
}

#[tokio::test]
async fn webhooks_arrive_late() {
    const LATENESS: Duration = Duration::from_millis(400);
    let stripe = Stripe::start();
    let mesh = mesh(&stripe, |endpoint| (endpoint.late, endpoint.lateness) = (0.5, LATENESS)).await;
    for _ in 0..50 {
        stripe.post("/v1/customers", json!({"name": "Ada"}));
    }
    rest(&stripe, &mesh).await;
    let after: Vec<_> = stripe.world().attempts().iter().map(|attempt| attempt.after).collect();
    let late = after.iter().filter(|after| **after > LATENESS / 2).count();
    // Half of them are late, half of those by more than half.
    assert!(late >= 5, "{after:?}");
    mesh.finish().await;
}

#[tokio::test]
async fn an_endpoint_gets_the_types_that_it_wants_in_its_own_version() {
    let stripe = Stripe::start();
    let mesh = mesh(&stripe, |endpoint| {
        endpoint.events = vec!["customer.created".to_owned()];
        endpoint.version = "2024-06-20".to_owned();
    })
    .await;
    stripe.post("/v1/customers", json!({"name": "Ada"}));
    stripe.buy("starter", ADA);
    rest(&stripe, &mesh).await;
    let journal = mesh.staff().get("/v1/stripe-events").await;
    assert_eq!(journal.list("stripe_events").len(), 1, "{}", journal.text);
    assert_eq!(journal.str("/stripe_events/0/api_version"), "2024-06-20");
    let listed = stripe.get("/v1/webhook_endpoints").await;
    assert_eq!(listed.str("/data/0/api_version"), "2024-06-20");
    mesh.finish().await;
}
