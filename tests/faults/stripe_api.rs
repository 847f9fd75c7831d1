//! Stripe's API fails in one way after the other: what waits for it says why, and loses nothing.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_runtime::testing::eventually;

use crate::{
    fakes::stripe::{API_VERSION, Buyer, KEY, Stripe, Trouble},
    harness::Mesh,
    stripe::sign,
};

/// Far longer than billing waits: how much of it an answer takes is drawn.
const SLOWNESS: Duration = Duration::from_hours(1);

/// A share of the requests, and what an event that waits says of such a failure.
type Failing = (fn(&mut Trouble) -> &mut f64, &'static str);

const ALL: [Failing; 4] = [
    (|trouble| &mut trouble.rate_limited, "Stripe answered 429"),
    (|trouble| &mut trouble.internal, "Stripe answered 500"),
    (|trouble| &mut trouble.cut, "Stripe cannot be reached"),
    (|trouble| &mut trouble.slow, "Stripe did not answer within 10 seconds"),
];

#[tokio::test]
async fn each_way_to_fail_is_told_and_waited_out() {
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
        let failure = failing.1;
        // By now its next try is due.
        mesh.advance(TimeDelta::minutes(1)).await;
        mesh.billing().wakes.journal.notify_one();
        eventually(failure, || async { (waits_for(&mesh).await? == failure).then_some(()) }).await;
    }
    stripe.trouble(Trouble::default());
    mesh.advance(TimeDelta::minutes(1)).await;
    mesh.billing().wakes.journal.notify_one();
    mesh.settle().await;
    let order = mesh.staff().get(&format!("/v1/orders?stripe_checkout_session_id={session}")).await;
    assert_eq!(order.str("/orders/0/state"), "STATE_PAID", "{}", order.text);
    mesh.finish().await;
}

/// Why the checkout waits, as its event says.
async fn waits_for(mesh: &Mesh) -> Option<String> {
    let failure = "SELECT failure FROM stripe_events WHERE state = 'PENDING'";
    sqlx::query_scalar(failure).fetch_optional(mesh.billing_db().pool()).await.expect("a failure").flatten()
}
