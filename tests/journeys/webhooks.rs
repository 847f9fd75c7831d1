//! The answers to webhooks of Stripe, and to forged ones: each case has its status, and no event is lost.

use serde_json::{Value, json};

use crate::{
    harness::Mesh,
    stripe::{OTHER_SECRET, SECRET, checkout, event, paid_checkout, sign, sign_with},
};

const PATHS: [&str; 2] = ["/webhooks/stripe", "/api/webhooks/stripe/checkout-completed"];

async fn journaled(mesh: &Mesh) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM stripe_events")
        .fetch_one(mesh.billing_db().pool())
        .await
        .expect("count")
}

#[tokio::test]
async fn a_body_without_stripes_signature_is_refused_and_never_stored() {
    let mesh = Mesh::start().await;
    let body = paid_checkout("1", "alice").to_string();
    let tampered = body.replace("9900", "1");
    for (what, signature, body) in [
        ("no signature", String::new(), &body),
        ("garbage", "t=1,v1=zz".to_owned(), &body),
        ("tampered body", sign(&body), &tampered),
        ("wrong secret", sign_with("whsec_wrong", 0, &body), &body),
        ("stale", sign_with(SECRET, -301, &body), &body),
        ("from the future", sign_with(SECRET, 360, &body), &body),
    ] {
        for path in PATHS {
            let answer = mesh.post_webhook(path, &signature, body.clone()).await;
            assert_eq!(answer.status, 400, "{what}: {}", answer.text);
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
            assert!(!answer.str("/reason").is_empty(), "{what} names no reason");
        }
    }
    assert_eq!(journaled(&mesh).await, 0);
    mesh.finish().await;
}

#[tokio::test]
async fn two_live_secrets_work_at_once() {
    let mesh = Mesh::start().await;
    for (name, secret) in [("1", SECRET), ("2", OTHER_SECRET)] {
        let body = paid_checkout(name, "alice").to_string();
        let answer = mesh.post_webhook("/webhooks/stripe", &sign_with(secret, 0, &body), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(journaled(&mesh).await, 2);
    mesh.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_event_is_refused_with_the_field_named() {
    let mesh = Mesh::start().await;
    let without = |field: &str| {
        let mut event = paid_checkout("1", "alice");
        event.as_object_mut().expect("object").remove(field);
        event.to_string()
    };
    for (body, field) in [
        ("not json".to_owned(), "body"),
        (without("id"), "id"),
        (without("type"), "type"),
        ("[]".to_owned(), ""),
    ] {
        let answer = mesh.post_webhook("/webhooks/stripe", &sign(&body), body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let named =
            answer.list("errors").iter().filter_map(|e| e["field"].as_str()).any(|f| f.contains(field));
        assert!(named, "{field} is not named in {}", answer.text);
    }
    assert_eq!(journaled(&mesh).await, 0);
    mesh.finish().await;
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused() {
    let mesh = Mesh::start().await;
    let body = format!("{{\"id\":\"evt_1\",\"pad\":\"{}\"}}", "x".repeat(1024 * 1024));
    let signature = sign(&body);
    assert_eq!(mesh.post_webhook("/webhooks/stripe", &signature, body.clone()).await.status, 413);
    // The length of a chunked body is not known before its end.
    let chunks = futures_util::stream::iter(
        body.into_bytes()
            .chunks(65_536)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    let chunked = reqwest::Body::wrap_stream(chunks);
    assert_eq!(mesh.post_webhook("/webhooks/stripe", &signature, chunked).await.status, 413);
    assert_eq!(journaled(&mesh).await, 0);
    mesh.finish().await;
}

#[tokio::test]
async fn another_method_gets_the_allowed_ones() {
    let mesh = Mesh::start().await;
    for path in PATHS {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = mesh.anon().call(method.parse().expect("method"), path, None).await;
            assert_eq!(
                (answer.status, answer.headers["allow"].to_str().ok()),
                (405, Some("POST")),
                "{method} {path}"
            );
        }
    }
    mesh.finish().await;
}

#[tokio::test]
async fn an_unknown_type_is_kept() {
    let mesh = Mesh::start().await;
    let unknown =
        event("1", "tax.something_new.happened", &json!({"id": "txr_1", "object": "tax.something_new"}));
    assert_eq!(mesh.deliver(&unknown).await.status, 200);
    mesh.settle().await;
    let kept = mesh.staff().get("/v1/stripe-events/evt_1").await;
    assert_eq!(kept.str("/stripe_event/state"), "STATE_IGNORED");
    assert_eq!(serde_json::from_str::<Value>(kept.str("/body")).expect("body"), unknown, "byte for byte");
    mesh.finish().await;
}

#[tokio::test]
async fn a_known_type_that_cannot_be_understood_is_accepted_quarantined_and_raised() {
    let mesh = Mesh::start().await;
    let mut session = checkout("1", "alice");
    session.as_object_mut().expect("object").remove("payment_status");
    assert_eq!(mesh.deliver(&event("1", "checkout.session.completed", &session)).await.status, 200);
    mesh.settle().await;
    let quarantined = mesh.staff().get("/v1/stripe-events?state=STATE_QUARANTINED").await;
    assert_eq!(quarantined.str("/stripe_events/0/event_id"), "evt_1");
    assert!(quarantined.str("/stripe_events/0/failure").contains("payment_status"), "{}", quarantined.text);
    let raised = mesh.take_errors();
    assert_eq!(raised.len(), 1, "raised once: {raised:?}");
    assert!(!raised[0].contains("alice"), "raised without anything personal: {raised:?}");
    mesh.finish().await;
}

#[tokio::test]
async fn a_thin_event_is_taken_too() {
    let mesh = Mesh::start().await;
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-11-24T06:00:00.000Z", "livemode": false,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    });
    assert_eq!(mesh.deliver(&thin).await.status, 200);
    mesh.settle().await;
    assert_eq!(mesh.staff().get("/v1/stripe-events/evt_thin").await.str("/stripe_event/object_id"), "mtr_1");
    mesh.finish().await;
}
