//! Stripe's side: checkout sessions, events about them, and signatures.

use ring::hmac;
use serde_json::{Value, json};

/// A paid checkout session for a "done for you" Starter, bought by a guest.
pub(crate) fn session(id: &str) -> Value {
    json!({
        "id": id,
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 9900,
        "currency": "gbp",
        "customer": null,
        "customer_details": {"email": "Ada@Example.com", "name": "Ada Lovelace"},
        "payment_intent": format!("pi_{id}"),
        "metadata": {"mode": "dfy", "plan": "starter"},
    })
}

/// The same session with a promotion code that takes off everything.
pub(crate) fn without_cost(session: Value) -> Value {
    let changes = [
        ("payment_status", json!("no_payment_required")),
        ("amount_total", json!(0)),
        ("amount_subtotal", json!(9900)),
        ("total_details", json!({"amount_discount": 9900})),
        ("payment_intent", Value::Null),
    ];
    with(session, &changes)
}

/// Sets some fields of an object. A null value removes the field.
pub(crate) fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (field, value) in changes {
        let fields = object.as_object_mut().expect("an object");
        match value {
            Value::Null => fields.remove(*field),
            value => fields.insert((*field).to_owned(), value.clone()),
        };
    }
    object
}

/// A snapshot event about an object.
pub(crate) fn event(id: &str, event_type: &str, object: &Value) -> Value {
    json!({
        "id": id,
        "object": "event",
        "type": event_type,
        "created": 1_790_000_000,
        "api_version": "2024-06-20",
        "livemode": false,
        "data": {"object": object},
    })
}

/// The `Stripe-Signature` header of a body.
pub(crate) fn sign(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &[format!("{timestamp}.").as_bytes(), body].concat());
    format!("t={timestamp},v1={}", hex::encode(tag))
}

/// The number of sessions that were fetched, without the requests that only check the key.
pub(crate) async fn refetches(stripe: &wiremock::MockServer) -> usize {
    let requests = stripe.received_requests().await.expect("recorded");
    requests.iter().filter(|request| request.url.path().starts_with("/v1/checkout/sessions/")).count()
}
