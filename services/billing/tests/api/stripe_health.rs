//! With a key, the service measures its capabilities at Stripe: that objects can be refetched, and that each price equals the
//! catalogue's. `levqor doctor` checks the same, and more.

use chrono::TimeDelta;
use levqor_billing::Billing;
use levqor_runtime::{
    check::{self, Line, Outcome},
    service::{Capability, CapabilityState, Service},
    testing::{self, eventually},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path, query_param},
};

use crate::support::{Bench, SECRET, event, session};

/// A price that equals the catalogue's.
fn price(id: &str, amount: i64, interval: Option<&str>) -> Value {
    json!({
        "id": id, "object": "price", "active": true, "currency": "gbp", "unit_amount": amount, "livemode": false,
        "recurring": interval.map(|interval| json!({"interval": interval, "interval_count": 1})),
    })
}

/// A Stripe with these prices, an account, and no sessions.
async fn stripe(prices: &[Value]) -> MockServer {
    let stripe = MockServer::start().await;
    show(&stripe, prices).await;
    stripe
}

/// Lets a Stripe answer so.
async fn show(stripe: &MockServer, prices: &[Value]) {
    let ok = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    let list = ok(json!({"object": "list", "data": []}));
    Mock::given(path("/v1/checkout/sessions"))
        .and(query_param("limit", "1"))
        .respond_with(list)
        .mount(stripe)
        .await;
    let account = ok(json!({"id": "acct_1", "object": "account", "charges_enabled": true}));
    Mock::given(path("/v1/account")).respond_with(account).mount(stripe).await;
    for price in prices {
        let id = price["id"].as_str().expect("an id");
        Mock::given(path(format!("/v1/prices/{id}"))).respond_with(ok(price.clone())).mount(stripe).await;
    }
    // If several mocks match, the first one answers.
    Mock::given(any()).respond_with(refusal(404)).mount(stripe).await;
}

/// An error response in Stripe's format.
fn refusal(status: u16) -> ResponseTemplate {
    let error = json!({"error": {"type": "invalid_request_error", "message": "ada@example.com"}});
    ResponseTemplate::new(status).set_body_json(error)
}

fn settings(base: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_API_BASE", base),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("STRIPE_PRICE_STARTER", "price_starter"),
        ("STRIPE_PRICE_STARTER_YEAR", "price_year"),
        ("STRIPE_PRICE_DFY_STARTER", "price_dfy"),
    ]
}

/// The two capabilities, after the measurement.
async fn measured(bench: &Bench) -> [Capability; 2] {
    eventually("Stripe was asked", || async {
        let capabilities = bench.service.running.service.capabilities();
        let named = |name: &str| capabilities.iter().find(|it| it.name == name && it.measured.is_some());
        Some([named("stripe_refetch")?.clone(), named("stripe_prices")?.clone()])
    })
    .await
}

#[tokio::test]
async fn correct_prices_are_on_and_missing_settings_are_named() {
    let prices = [
        price("price_starter", 1900, Some("month")),
        price("price_year", 19_000, Some("year")),
        price("price_dfy", 9900, None),
    ];
    let stripe = stripe(&prices).await;
    let bench = Bench::start_with(&settings(&stripe.uri())).await;
    let [refetch, prices] = measured(&bench).await;
    assert_eq!((refetch.state, prices.state), (CapabilityState::On, CapabilityState::On));
    assert!(
        prices.reason.starts_with("3 of 14 prices are set, not STRIPE_PRICE_GROWTH, "),
        "{}",
        prices.reason
    );
    assert!(prices.reason.ends_with("; each is the catalogue's"), "{}", prices.reason);
}

#[tokio::test]
async fn each_price_that_is_not_the_catalogues_is_named_with_its_fault() {
    let mut inactive = price("price_year", 19_000, Some("year"));
    inactive["active"] = json!(false);
    let stripe = stripe(&[price("price_starter", 2900, Some("month")), inactive]).await;
    let bench = Bench::start_with(&settings(&stripe.uri())).await;
    let [refetch, prices] = measured(&bench).await;
    assert_eq!((refetch.state, prices.state), (CapabilityState::On, CapabilityState::Failed));
    let faults = "STRIPE_PRICE_STARTER: its amount is 2900, not 1900 pence; \
                  STRIPE_PRICE_STARTER_YEAR: it is not active; \
                  STRIPE_PRICE_DFY_STARTER: Stripe does not have it (404)";
    assert_eq!(prices.reason, faults);
}

#[tokio::test]
async fn a_price_that_is_changed_at_stripe_is_measured_at_once() {
    let prices = |starter: i64| {
        [
            price("price_starter", starter, Some("month")),
            price("price_year", 19_000, Some("year")),
            price("price_dfy", 9900, None),
        ]
    };
    for told in ["price.updated", "product.updated"] {
        let stripe = stripe(&prices(1900)).await;
        let bench = Bench::start_with(&settings(&stripe.uri())).await;
        let [_, before] = measured(&bench).await;
        assert_eq!(before.state, CapabilityState::On, "{}", before.reason);
        stripe.reset().await;
        show(&stripe, &prices(2900)).await;
        // Without the event, the prices are measured after a quarter of an hour.
        bench.process(&event("evt_1", told, &json!({"id": "price_starter"}))).await;
        let after = eventually("the price is seen", || async {
            let [_, prices] = measured(&bench).await;
            (prices.state == CapabilityState::Failed).then_some(prices)
        })
        .await;
        assert_eq!(after.reason, "STRIPE_PRICE_STARTER: its amount is 2900, not 1900 pence", "{told}");
    }
}

#[tokio::test]
async fn a_stripe_that_refuses_the_key_or_is_not_there_is_no_refetch_and_delays_no_start() {
    let refusing = MockServer::start().await;
    Mock::given(any()).respond_with(refusal(401)).mount(&refusing).await;
    for (base, reason) in [
        (refusing.uri(), "Stripe answered 401"),
        ("http://127.0.0.1:1".to_owned(), "Stripe cannot be reached"),
    ] {
        let bench = Bench::start_with(&settings(&base)).await;
        let [refetch, prices] = measured(&bench).await;
        assert_eq!((refetch.state, prices.state), (CapabilityState::Failed, CapabilityState::Failed));
        assert!(refetch.reason.ends_with(reason), "{}", refetch.reason);
        assert!(prices.reason.ends_with(reason), "{}", prices.reason);
    }
}

#[tokio::test]
async fn a_key_that_stripe_refuses_in_a_refetch_is_failed_at_once_and_on_again_once_it_answers() {
    for (status, said) in [(401, "Stripe answered 401"), (403, "Stripe answered 403")] {
        let stripe = stripe(&[]).await;
        let bench = Bench::start_with(&settings(&stripe.uri())).await;
        let [refetch, _] = measured(&bench).await;
        assert_eq!(refetch.state, CapabilityState::On);
        // The key is revoked between two measurements, which are a quarter of an hour apart.
        stripe.reset().await;
        Mock::given(any()).respond_with(refusal(status)).mount(&stripe).await;
        bench.receive(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
        let refused = eventually("it is failed", || async {
            let [refetch, _] = measured(&bench).await;
            (refetch.state == CapabilityState::Failed).then_some(refetch)
        })
        .await;
        assert!(refused.reason.ends_with(said), "{}", refused.reason);
        stripe.reset().await;
        let good = ResponseTemplate::new(200).set_body_json(session("cs_1"));
        Mock::given(path("/v1/checkout/sessions/cs_1")).respond_with(good).mount(&stripe).await;
        bench.service.advance(TimeDelta::hours(8)).await;
        bench.settled("evt_1").await;
        let [refetch, _] = measured(&bench).await;
        assert_eq!(refetch.state, CapabilityState::On, "{}", refetch.reason);
    }
}

async fn checked(settings: &[(&str, &str)]) -> Vec<Line> {
    let url = testing::empty_database().await;
    let config = testing::config::<Billing>(&url, settings);
    check::run(Billing::checks(&config.own, None)).await
}

fn line<'l>(lines: &'l [Line], name: &str) -> (Outcome, &'l str) {
    let line =
        lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no {name} in {lines:?}"));
    (line.finding.outcome, &line.finding.evidence)
}

#[tokio::test]
async fn the_doctor_reads_the_account_the_time_and_every_price() {
    let stripe = stripe(&[price("price_starter", 1900, Some("month")), price("price_dfy", 1, None)]).await;
    let lines = checked(&settings(&stripe.uri())).await;
    let account = "acct_1, test mode, it may take payments";
    assert_eq!(line(&lines, "billing.stripe_account"), (Outcome::On, account));
    assert_eq!(line(&lines, "billing.stripe_clock"), (Outcome::On, "its clock agrees with ours"));
    assert_eq!(line(&lines, "billing.stripe_refetch").0, Outcome::On);
    let starter = (Outcome::On, "Starter, £19.00 a month, active");
    assert_eq!(line(&lines, "billing.stripe_price_starter"), starter);
    let missing = (Outcome::Failed, "STRIPE_PRICE_STARTER_YEAR: Stripe does not have it (404)");
    assert_eq!(line(&lines, "billing.stripe_price_starter_year"), missing);
    let wrong = (Outcome::Failed, "STRIPE_PRICE_DFY_STARTER: its amount is 1, not 9900 pence");
    assert_eq!(line(&lines, "billing.stripe_price_dfy_starter"), wrong);
    let off = (Outcome::Off, "STRIPE_PRICE_PRO is not set: Pro, £49.00 a month");
    assert_eq!(line(&lines, "billing.stripe_price_pro"), off);
    assert_eq!(lines.iter().filter(|line| line.name.starts_with("billing.stripe_price_")).count(), 14);
}

#[tokio::test]
async fn the_doctor_checks_the_promotion_code_of_the_offer_and_its_discount() {
    let takes_off = |amount: i64| json!({"id": "co_1", "amount_off": amount, "currency": "gbp"});
    for (found, expected) in [
        (json!([]), Outcome::Failed),
        (json!([{"id": "promo_1", "coupon": takes_off(15_000)}]), Outcome::On),
        (json!([{"id": "promo_1", "promotion": {"coupon": takes_off(15_000)}}]), Outcome::On),
        (json!([{"id": "promo_1", "coupon": takes_off(10_000)}]), Outcome::Failed),
        (json!([{"id": "promo_1", "promotion": {"coupon": "co_1"}}]), Outcome::Warning),
    ] {
        let stripe = MockServer::start().await;
        let list = json!({"object": "list", "data": found});
        let asked = Mock::given(path("/v1/promotion_codes"))
            .and(query_param("code", "STARTER"))
            .and(query_param("active", "true"));
        asked.respond_with(ResponseTemplate::new(200).set_body_json(list)).mount(&stripe).await;
        show(&stripe, &[]).await;
        let base = stripe.uri();
        let mut settings = settings(&base);
        settings.push(("LEVQOR_UPSELL_PROMOTION_CODE", "STARTER"));
        let lines = checked(&settings).await;
        assert_eq!(line(&lines, "billing.upgrade_offer").0, expected, "{found}");
    }
}

#[tokio::test]
async fn an_account_that_may_take_no_payments_and_a_key_that_is_refused_fail_in_one_line_each() {
    let stripe = MockServer::start().await;
    let account = json!({"id": "acct_1", "object": "account", "charges_enabled": false});
    let account = ResponseTemplate::new(200).set_body_json(account);
    Mock::given(path("/v1/account")).respond_with(account).mount(&stripe).await;
    Mock::given(any()).respond_with(refusal(403)).mount(&stripe).await;
    let lines = checked(&settings(&stripe.uri())).await;
    let account = "acct_1, test mode: it may not take payments";
    assert_eq!(line(&lines, "billing.stripe_account"), (Outcome::Failed, account));
    let refused = "Stripe answered 403, for each of the 3 prices that are set";
    assert_eq!(line(&lines, "billing.stripe_prices"), (Outcome::Failed, refused));
    let failed = lines.iter().filter(|line| line.finding.outcome == Outcome::Failed).count();
    assert_eq!((failed, lines.len()), (3, 4 + 1 + 11 + 1 + 1), "{lines:?}");
}

#[tokio::test]
async fn without_a_key_the_doctor_says_which_setting_turns_it_on() {
    let lines =
        checked(&[("STRIPE_WEBHOOK_SECRET", SECRET), ("LEVQOR_UPSELL_PROMOTION_CODE", "STARTER")]).await;
    let (of_stripe, others): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.name != "billing.order_files");
    assert_eq!((of_stripe.len(), others.len()), (6, 1));
    for line in of_stripe {
        assert_eq!(
            (line.finding.outcome, line.finding.evidence.as_str()),
            (Outcome::Off, "STRIPE_SECRET_KEY is not set")
        );
        assert_eq!(line.asked, "");
    }
}
