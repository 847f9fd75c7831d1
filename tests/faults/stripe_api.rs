//! Stripe's API fails in each way, one after the other. The waiting events show why they wait, and none is lost.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_runtime::testing::eventually;
use serde_json::json;

use crate::{
    fakes::stripe::{API_VERSION, Buyer, KEY, Stripe, Trouble, price_settings},
    harness::{Answer, Mesh},
    stripe::sign,
};

/// The longest delay of an answer, far longer than billing waits. Each answer takes a random part of it.
const SLOWNESS: Duration = Duration::from_hours(1);

/// Between two tries: while the circuit is open, each try ends at once, and an event is tried 25 times at most.
const PAUSE: Duration = Duration::from_secs(2);

/// The share of requests that fails, and the text that a waiting event shows for this failure.
type Failing = (fn(&mut Trouble) -> &mut f64, &'static str);

const ALL: [Failing; 4] = [
    (|trouble| &mut trouble.rate_limited, "Stripe answered 429"),
    (|trouble| &mut trouble.internal, "Stripe answered 500"),
    (|trouble| &mut trouble.cut, "Stripe cannot be reached"),
    (|trouble| &mut trouble.slow, "Stripe did not answer within 10 seconds"),
];

#[tokio::test]
async fn each_failure_of_stripe_is_shown_and_retried() {
    let stripe = Stripe::start();
    let mesh = Mesh::start_with(&[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &stripe.url())]).await;
    let before = stripe.world().mark();
    let session = stripe.buy("starter", Buyer { name: "Ada", email: "ada@example.com" });
    let events = stripe.world().since(before).1;
    let trouble = |(share, _): Failing| {
        let mut trouble = Trouble::seeded(0);
        (*share(&mut trouble), trouble.slowness) = (1.0, SLOWNESS);
        stripe.trouble(trouble);
    };
    trouble(ALL[0]);
    for event in events {
        let body = stripe.world().webhook(event, API_VERSION);
        let answer = mesh.post_webhook("/webhooks/stripe", &sign(&body), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for failing in ALL {
        trouble(failing);
        while try_again(&mesh).await.expect("it still waits") != failing.1 {
            pause().await;
        }
    }
    stripe.trouble(Trouble::default());
    while try_again(&mesh).await.is_some() {
        pause().await;
    }
    mesh.settle().await;
    let order = mesh.staff().get(&format!("/v1/orders?stripe_checkout_session_id={session}")).await;
    assert_eq!(order.str("/orders/0/payment_state"), "PAYMENT_STATE_PAID", "{}", order.text);
    mesh.finish().await;
}

/// Why an event waits, after how many attempts, and in how many seconds the next one is due. `None`: none waits.
async fn waiting(mesh: &Mesh) -> Option<(String, i32, i64)> {
    let waiting =
        "SELECT coalesce(failure, ''), attempts, ceil(extract(epoch FROM due_time - runtime.now()))::bigint
         FROM stripe_events WHERE state = 'PENDING' ORDER BY event_id LIMIT 1";
    sqlx::query_as(waiting).fetch_optional(mesh.billing_db().pool()).await.expect("rows")
}

/// Has the waiting event tried once more. Returns why that failed. `None`: no event waits any more.
async fn try_again(mesh: &Mesh) -> Option<String> {
    let (_, before, _) = waiting(mesh).await?;
    eventually("one more try", || async {
        let Some((failure, attempts, seconds)) = waiting(mesh).await else { return Some(None) };
        if attempts > before {
            return (failure != "a try of it did not end").then_some(Some(failure));
        }
        mesh.advance(TimeDelta::seconds(seconds.max(0))).await;
        mesh.billing().wakes.journal.notify_one();
        None
    })
    .await
}

/// Waits, because nothing but time closes the circuit.
async fn pause() {
    let begun = Instant::now();
    eventually("the pause is over", || std::future::ready((begun.elapsed() > PAUSE).then_some(()))).await;
}

/// Counts rows of billing.
async fn count(mesh: &Mesh, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(mesh.billing_db().pool()).await.expect("a count")
}

/// How soon a customer learns that Stripe is away.
const AT_ONCE: Duration = Duration::from_secs(3);
/// How long billing waits for Stripe where no customer waits.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Alice requests a checkout under one key.
async fn check_out(mesh: &Mesh) -> Answer {
    let wish = json!({"dfy": {"tier": "TIER_ENTERPRISE"}, "terms_version": "1"});
    mesh.customer("alice").post_with_key("one-wish", "/v1/checkout-sessions", wish).await
}

#[tokio::test]
async fn after_an_hour_without_stripe_checkout_recovers_by_itself_and_nothing_is_lost() {
    let stripe = Stripe::start();
    let (url, prices) = (stripe.url(), price_settings());
    let prices: Vec<_> = prices.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let own = [("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &url), ("LEVQOR_TERMS_VERSION", "1")];
    let mesh = Mesh::start_with(&[&own[..], &prices].concat()).await;
    let before = stripe.world().mark();
    for _ in 0..3 {
        stripe.buy("starter", Buyer { name: "Ada", email: "ada@example.com" });
    }
    let events = stripe.world().since(before).1;
    let mut away = Trouble::seeded(0);
    (away.slow, away.slowness) = (1.0, SLOWNESS);
    stripe.trouble(away);
    for event in &events {
        let body = stripe.world().webhook(*event, API_VERSION);
        let answer = mesh.post_webhook("/webhooks/stripe", &sign(&body), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let mut late = Vec::new();
    for _ in 0..6 {
        let begun = Instant::now();
        let refused = check_out(&mesh).await;
        assert_eq!((refused.status, refused.str("/reason")), (503, "STRIPE_UNAVAILABLE"), "{}", refused.text);
        late.extend(Some(begun.elapsed()).filter(|waited| *waited >= AT_ONCE));
        assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
        mesh.advance(TimeDelta::minutes(10)).await;
        mesh.billing().wakes.journal.notify_one();
    }
    // A busy machine delays some answers. Without a customer's time limit, the first ones would take as long as others.
    assert!(late.len() < 4 && late.iter().all(|waited| *waited < TIMEOUT), "{late:?}");
    let orders = "SELECT count(*) FROM orders WHERE payment_state = 'PAID'";
    assert_eq!(count(&mesh, orders).await, 0, "nobody knows what Stripe would say");
    stripe.trouble(Trouble::default());
    // The only action is to ask again.
    let made = eventually("the checkout is made", || async {
        Some(check_out(&mesh).await).filter(|answer| answer.status == 200)
    })
    .await;
    assert!(made.str("/url").starts_with("https://checkout.stripe.com/"), "{}", made.text);
    let worked_on = "SELECT count(*) FROM runtime.leases WHERE leased_until > runtime.now()";
    eventually("what waited is done", || async {
        // Nothing moves while an event is worked on: on a slow machine its lease would run out, again and again.
        if count(&mesh, worked_on).await == 0 {
            mesh.advance(TimeDelta::minutes(1)).await;
            mesh.billing().wakes.journal.notify_one();
        }
        mesh.at_rest().await
    })
    .await;
    assert_eq!(count(&mesh, orders).await, 3);
    let ours = |kind: &str| {
        stripe.world().of_kind(kind).filter(|made| made["metadata"]["order_id"].is_string()).count()
    };
    assert_eq!(ours("checkout.session"), 1, "one wish is one checkout");
    let customers =
        stripe.world().of_kind("customer").filter(|made| made["metadata"]["customer_id"].is_string()).count();
    assert_eq!(customers, 1);
    let lost = "SELECT count(*) FROM stripe_events WHERE state NOT IN ('PROCESSED', 'IGNORED')";
    assert_eq!(count(&mesh, lost).await, 0);
    assert_eq!(count(&mesh, "SELECT count(*) FROM stripe_operations WHERE state <> 'DONE'").await, 0);
    mesh.finish().await;
}
