//! A session makes an order only if its amounts match the list price of the plan in its metadata. They are compared in Stripe's
//! own units.

use levqor_proto_billing::v1::{order, stripe_event::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, Log};
use serde_json::{Value, json};
use tracing::Level;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Bench, event, session, with};

const COMPLETED: &str = "checkout.session.completed";

/// A session whose metadata name the plan "enterprise" (£599), with this amount.
fn enterprise(id: &str, amount: i64, currency: &str, more: &[(&str, Value)]) -> Value {
    let paid = with(
        session(id),
        &[
            ("metadata", json!({"mode": "dfy", "plan": "enterprise"})),
            ("amount_subtotal", json!(amount)),
            ("amount_total", json!(amount)),
            ("currency", json!(currency)),
        ],
    );
    with(paid, more)
}

#[tokio::test]
async fn amounts_that_do_not_match_the_plan_quarantine_the_event_with_a_key_and_without() {
    let (log, _guard) = Log::start(Level::ERROR);
    let cheats = [
        enterprise("cs_1", 1, "gbp", &[]),
        enterprise("cs_2", 0, "gbp", &[("payment_status", json!("no_payment_required"))]),
        enterprise("cs_3", 59_900, "vnd", &[]),
        enterprise("cs_4", 9900, "gbp", &[]),
        // The session has the list price, but the total is lower and no discount explains it.
        enterprise("cs_5", 59_900, "gbp", &[("amount_total", json!(1))]),
        enterprise("cs_6", 59_900, "gbp", &[("total_details", json!({"amount_discount": "all"}))]),
    ];
    let stripe = MockServer::start().await;
    for cheat in &cheats {
        let answer = ResponseTemplate::new(200).set_body_json(cheat);
        let id = cheat["id"].as_str().expect("an id");
        Mock::given(path(format!("/v1/checkout/sessions/{id}"))).respond_with(answer).mount(&stripe).await;
    }
    for bench in [Bench::start().await, Bench::start_with_stripe(&stripe.uri()).await] {
        for (n, cheat) in cheats.iter().enumerate() {
            let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, cheat)).await;
            assert_eq!(event.state(), State::Quarantined, "{cheat}");
            assert!(event.failure.contains("a person has to look"), "{}", event.failure);
        }
        assert!(bench.orders(&Caller::staff()).await.is_empty(), "nothing is started");
        assert!(bench.messages().await.is_empty());
    }
    assert_eq!(log.text().matches("the Stripe event was quarantined").count(), 2 * cheats.len());
}

#[tokio::test]
async fn a_coupon_of_a_hundred_per_cent_and_tax_are_allowed() {
    let bench = Bench::start().await;
    let free = [
        ("amount_total", json!(0)),
        ("total_details", json!({"amount_discount": 59_900, "amount_tax": 0, "amount_shipping": 0})),
        ("payment_status", json!("no_payment_required")),
        ("payment_intent", Value::Null),
    ];
    let taxed = [
        ("amount_total", json!(71_880)),
        ("total_details", json!({"amount_discount": 0, "amount_tax": 11_980})),
    ];
    for (n, more) in [&free[..], &taxed[..]].into_iter().enumerate() {
        let session = enterprise(&format!("cs_{n}"), 59_900, "gbp", more);
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &session)).await;
        assert_eq!(event.state(), State::Processed, "{}", event.failure);
    }
    let orders = bench.orders(&Caller::staff()).await;
    let amounts: Vec<_> = orders.iter().map(|order| order.amount.clone().expect("one").minor_units).collect();
    assert_eq!(amounts, [71_880, 0]);
    assert!(orders.iter().all(|order| order.payment_state() == order::PaymentState::Paid));
}

#[tokio::test]
async fn an_amount_in_stripes_units_is_stored_listed_and_mailed_in_units_of_iso_4217() {
    let bench = Bench::start().await;
    for (n, (currency, stripe, iso)) in [
        ("isk", 1_500_000, 15_000),
        ("ugx", 38_000_000, 380_000),
        ("jpy", 11_500, 11_500),
        ("kwd", 24_010, 24_010),
    ]
    .into_iter()
    .enumerate()
    {
        let converted = json!({"source_currency": "gbp", "amount_subtotal": 59_900, "amount_total": 59_900, "fx_rate": "1"});
        let id = format!("cs_{n}");
        let session = enterprise(&id, stripe, currency, &[("currency_conversion", converted)]);
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &session)).await;
        assert_eq!(event.state(), State::Processed, "{currency}: {}", event.failure);
        let mut orders = bench.orders(&Caller::staff()).await;
        let amount = orders.remove(0).amount.expect("an amount");
        assert_eq!((amount.currency_code.as_str(), amount.minor_units), (&*currency.to_uppercase(), iso));
        let mailed = bench.messages().await.into_iter().filter_map(|(_, message)| match message.content {
            Some(Content::OrderWelcome(welcome)) => welcome.amount,
            _ => None,
        });
        assert!(mailed.into_iter().any(|mailed| mailed == amount), "{currency} is mailed as it is listed");
    }
}

#[tokio::test]
async fn an_amount_that_cannot_be_shown_is_not_stored() {
    let bench = Bench::start().await;
    for (n, total) in [1_i64 << 53, i64::MAX].into_iter().enumerate() {
        let session = enterprise(&format!("cs_{n}"), 59_900, "gbp", &[("amount_total", json!(total))]);
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &session)).await;
        assert_eq!(event.state(), State::Quarantined, "{total}");
    }
    assert!(bench.orders(&Caller::staff()).await.is_empty());
}

#[tokio::test]
async fn a_paid_session_with_an_unusual_address_makes_an_order() {
    let bench = Bench::start().await;
    for (n, (details, email)) in [
        (json!({"email": "ops@ab--cd.example.com"}), "ops@ab--cd.example.com"),
        (json!({"email": "Ops@My_Host.example.com", "name": null}), "ops@my_host.example.com"),
        (json!({"email": "\"Ada  Lovelace\"@example.com"}), "\"ada  lovelace\"@example.com"),
        (
            json!({"email": format!("{}@example.com", "a".repeat(120))}),
            &format!("{}@example.com", "a".repeat(120)),
        ),
        (json!({"email": "\u{a0}ada@example.com\u{3000}"}), "ada@example.com"),
        (json!({"email": null}), "given@example.com"),
    ]
    .into_iter()
    .enumerate()
    {
        let given = with(
            session(&format!("cs_{n}")),
            &[("customer_details", details), ("customer_email", json!("given@example.com"))],
        );
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &given)).await;
        assert_eq!(event.state(), State::Processed, "{email}: {}", event.failure);
        let orders = bench.orders(&Caller::staff()).await;
        assert_eq!(
            (orders[0].customer_email.as_str(), orders[0].payment_state()),
            (email, order::PaymentState::Paid)
        );
    }
}
