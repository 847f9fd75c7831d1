//! Stripe's events as tests need them, signed as Stripe signs.

use levqor_runtime::clock::Clock;
use serde_json::{Value, json};

/// The secret that tests sign with.
pub(crate) const SECRET: &str = "whsec_of_tests";
/// A second secret that is live at the same time.
pub(crate) const OTHER_SECRET: &str = "whsec_of_tests_after_a_roll";

/// Signs a body now with the first secret.
pub(crate) fn sign(body: &str) -> String {
    sign_with(SECRET, 0, body)
}

/// Signs a body with a secret, for a time that is this number of seconds from now:
/// <https://docs.stripe.com/webhooks#verify-manually>.
pub(crate) fn sign_with(secret: &str, offset_s: i64, body: &str) -> String {
    let time = Clock::default().now().timestamp() + offset_s;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(tag.as_ref()))
}

/// An event of this type about this object.
pub(crate) fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": format!("evt_{id}"),
        "object": "event",
        "api_version": "2026-09-30.endive",
        "created": Clock::default().now().timestamp(),
        "livemode": false,
        "type": kind,
        "data": {"object": object},
    })
}

/// A completed, paid checkout of "done for you" by a buyer at example.com.
pub(crate) fn paid_checkout(name: &str, buyer: &str) -> Value {
    event(name, "checkout.session.completed", &checkout(name, buyer))
}

/// The checkout session itself.
pub(crate) fn checkout(name: &str, buyer: &str) -> Value {
    json!({
        "id": format!("cs_test_{name}"),
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "amount_subtotal": 9900,
        "amount_total": 9900,
        "currency": "gbp",
        "customer": null,
        "customer_details": {"email": format!("{buyer}@Example.com"), "name": format!("{buyer} <b>Bold</b>")},
        "payment_intent": format!("pi_{name}"),
        "metadata": {"mode": "dfy", "plan": "starter"},
    })
}
