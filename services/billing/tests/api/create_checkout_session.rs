//! `CreateCheckoutSession`: the order is stored before the buyer is sent to Stripe, and each request makes one session.

mod addresses;
mod events;
mod one_open_session;

use std::{collections::BTreeSet, time::Instant};

use levqor_proto_billing::v1::{
    CreateCheckoutSessionRequest, CreateCheckoutSessionResponse,
    create_checkout_session_request::{DoneForYou, Item, Subscribe},
    order::{PaymentState, Tier},
    subscription::{AddOn, Plan, State, Term},
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use wiremock::MockServer;

use crate::support::{
    Bench, Shop, TERMS, ada, event, reason, refused, session, subscription, violated, with,
};

fn buy(item: Item) -> CreateCheckoutSessionRequest {
    CreateCheckoutSessionRequest {
        item: Some(item),
        terms_version: TERMS.to_owned(),
        start_at_once: true,
        ..Default::default()
    }
}

fn growth(term: Term, add_ons: &[AddOn]) -> Item {
    let add_ons = add_ons.iter().map(|add_on| (*add_on).into()).collect();
    Item::Subscription(Subscribe { plan: Plan::Growth.into(), term: term.into(), add_ons })
}

fn dfy(tier: Tier) -> Item {
    Item::Dfy(DoneForYou { tier: tier.into() })
}

impl Shop {
    async fn check_out(
        &self,
        caller: &Caller,
        request: CreateCheckoutSessionRequest,
    ) -> Result<CreateCheckoutSessionResponse, Status> {
        Ok(self.checkout().create_checkout_session(caller.request(request)).await?.into_inner())
    }
}

#[tokio::test]
async fn checkouts_at_once_are_three_at_most_and_make_one_customer() {
    let shop = Shop::open().await;
    let all = (0..6).map(|_| async { shop.check_out(&ada(), buy(dfy(Tier::Professional))).await });
    let made = futures_util::future::join_all(all).await;
    assert!(made.iter().any(Result::is_ok), "{made:?}");
    assert!(made.iter().flatten().count() <= 3, "{made:?}");
    for (at, most) in [("/v1/customers", 1), ("/v1/checkout/sessions", 3)] {
        // Two calls may carry out one operation: its key is the same.
        let keys: BTreeSet<_> = shop.asked("POST", at).await.into_iter().map(|(_, key)| key).collect();
        assert!((1..=most).contains(&keys.len()), "{at}: {keys:?}");
    }
}

#[tokio::test]
async fn an_order_waits_for_its_payment_before_the_buyer_is_sent_away() {
    let shop = Shop::open().await;
    let session = shop.check_out(&ada(), buy(dfy(Tier::Professional))).await.expect("a session");
    assert_eq!(session.url, "https://checkout.stripe.com/c/cs_1");
    let order = shop.bench.order().await;
    assert_eq!((order.order_id.as_str(), order.owner_sub.as_str()), (session.order_id.as_str(), "ada"));
    assert_eq!((order.payment_state(), order.tier()), (PaymentState::Pending, Tier::Professional));
    assert_eq!(order.stripe_checkout_session_id, "cs_1");
    let agreed = format!("order_agreements WHERE terms_version = '{TERMS}' AND start_at_once");
    assert_eq!(shop.bench.count(&agreed).await, 1);
    let asked = shop.asked("POST", "/v1/checkout/sessions").await;
    let [(form, key)] = asked.as_slice() else { panic!("{asked:?}") };
    for part in [
        "mode=payment",
        "customer=cus_1",
        "line_items[0][price]=price_dfyprofessional",
        "metadata[mode]=dfy",
        "metadata[plan]=professional",
        "allow_promotion_codes=true",
        &format!("metadata[order_id]={}", session.order_id),
        &format!("client_reference_id={}", session.order_id),
        "success_url=https://www.levqor.ai/success?session_id={CHECKOUT_SESSION_ID}",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    assert!(key.starts_with("levqor-"), "{key}");
}

#[tokio::test]
async fn a_subscription_is_pending_and_the_same_request_finds_the_same_session() {
    let shop = Shop::open().await;
    let wish = || buy(growth(Term::Monthly, &[AddOn::WhiteLabel]));
    let session = shop.check_out(&ada(), wish()).await.expect("a session");
    let (form, _) = shop.asked("POST", "/v1/checkout/sessions").await.remove(0);
    for part in ["mode=subscription", "metadata[mode]=subscription", "metadata[add_ons]=white_label"] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    // Stripe shows the metadata of the session, and later that of the subscription.
    for metadata in ["&metadata", "&subscription_data[metadata]"] {
        let subscription_id = format!("[subscription_id]={}", session.subscription_id);
        for part in ["[plan]=growth", "[term]=monthly", subscription_id.as_str()] {
            assert!(
                format!("&{form}").contains(&format!("{metadata}{part}")),
                "{metadata}{part} is not in {form}"
            );
        }
    }
    let pending = shop.subscription().await.expect("a subscription");
    assert_eq!((pending.state(), pending.plan()), (State::Pending, Plan::Growth));
    assert_eq!(pending.subscription_id, session.subscription_id);
    assert_eq!(shop.check_out(&ada(), wish()).await.expect("the same"), session);
    assert_eq!(shop.asked("POST", "/v1/checkout/sessions").await.len(), 1);
    assert_eq!(shop.asked("POST", "/v1/customers").await.len(), 1, "one customer per person");
    // A checkout of something else expires the earlier session, since both could be paid.
    shop.answer("POST", "/v1/checkout/sessions/cs_1/expire", 200, json!({"id": "cs_1"})).await;
    shop.check_out(&ada(), buy(growth(Term::Yearly, &[]))).await.expect("another session");
    assert_eq!(shop.asked("POST", "/v1/checkout/sessions/cs_1/expire").await.len(), 1);
    assert_eq!(shop.bench.count("subscriptions WHERE state = 'ABANDONED'").await, 1);
}

#[tokio::test]
async fn a_customer_with_a_live_subscription_cannot_buy_a_second_one() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("past_due", &[("GROWTH", 7900)])).await;
    let status = refused(shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_SUBSCRIBED"));
    shop.subscribe(&subscription("canceled", &[("GROWTH", 7900)])).await;
    assert!(shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await.is_ok());
}

#[tokio::test]
async fn every_wrong_field_is_named_and_stripe_is_not_asked() {
    let shop = Shop::open().await;
    let request = |change: fn(&mut CreateCheckoutSessionRequest)| {
        let mut request = buy(growth(Term::Monthly, &[]));
        change(&mut request);
        request
    };
    for (wrong, fields) in [
        (request(|r| r.item = None), vec!["item"]),
        (request(|r| r.item = Some(Item::Dfy(DoneForYou { tier: 9 }))), vec!["dfy.tier"]),
        (request(|r| r.item = Some(growth(Term::Yearly, &[AddOn::Sla999]))), vec!["subscription.add_ons"]),
        (
            request(|r| r.item = Some(Item::Subscription(Subscribe { plan: 7, term: 0, add_ons: vec![8] }))),
            vec!["subscription.plan", "subscription.term", "subscription.add_ons[0]"],
        ),
        (request(|r| r.terms_version = "1999".to_owned()), vec!["terms_version"]),
        (request(|r| r.promotion_code = "x".repeat(101)), vec!["promotion_code"]),
    ] {
        assert_eq!(violated(&refused(shop.check_out(&ada(), wrong).await)), fields);
    }
    let eve = Caller::unverified("eve", "ada@example.com");
    let status = refused(shop.check_out(&eve, buy(dfy(Tier::Starter))).await);
    assert_eq!(reason(&status), "EMAIL_NOT_VERIFIED");
    assert!(shop.asked("POST", "/v1/checkout/sessions").await.is_empty());
    assert_eq!(shop.bench.count("orders").await, 0);
}

#[tokio::test]
async fn a_key_makes_one_session_and_is_not_taken_for_another_request() {
    let shop = Shop::open().await;
    let keyed = ada().with_key("once");
    let first = shop.check_out(&keyed, buy(dfy(Tier::Starter))).await.expect("a session");
    assert_eq!(shop.check_out(&keyed, buy(dfy(Tier::Starter))).await.expect("the same"), first);
    let status = refused(shop.check_out(&keyed, buy(dfy(Tier::Enterprise))).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED");
    let named = status.get_error_details().bad_request().cloned().expect("a violation");
    assert_eq!(named.field_violations[0].field, "idempotency-key");
    assert_eq!(shop.bench.count("orders").await, 1);
}

#[tokio::test]
async fn three_tries_a_minute_are_enough() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
        shop.stripe.reset().await;
        let next = json!({"id": format!("cs_{}", shop.bench.count("orders").await + 1), "url": "https://checkout.stripe.com/c"});
        shop.answer("POST", "/v1/checkout/sessions", 200, next).await;
    }
    let status = refused(shop.check_out(&ada(), buy(dfy(Tier::Starter))).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_CHECKOUTS"));
    let retry = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some_and(|delay| (1..=60).contains(&delay.as_secs())), "{retry:?}");
    shop.bench.advance(chrono::TimeDelta::seconds(61)).await;
    assert!(shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.is_ok());
}

#[tokio::test]
async fn a_promotion_code_that_is_wrong_is_a_try_and_a_repeated_request_is_one_try() {
    let shop = Shop::open().await;
    shop.answer("GET", "/v1/promotion_codes", 200, json!({"object": "list", "data": []})).await;
    let guess = |code: &str| CreateCheckoutSessionRequest {
        promotion_code: code.to_owned(),
        ..buy(dfy(Tier::Starter))
    };
    let keyed = ada().with_key("guess");
    for code in ["A", "A", "A", "B", "C"] {
        let status = refused(shop.check_out(&keyed, guess(code)).await);
        assert_eq!(violated(&status), ["promotion_code"], "{code}");
    }
    for caller in [&keyed, &ada()] {
        let status = refused(shop.check_out(caller, guess("D")).await);
        assert_eq!(reason(&status), "TOO_MANY_CHECKOUTS");
    }
    assert_eq!(shop.asked("GET", "/v1/promotion_codes").await.len(), 5, "Stripe was not asked about D");
    assert_eq!(shop.bench.count("checkout_tries").await, 3);
    // A key that made a session is good for no other request, and so for no guess.
    let bob = Caller::customer("bob", "bob@example.com").with_key("once");
    shop.check_out(&bob, buy(dfy(Tier::Starter))).await.expect("a session");
    let status = refused(shop.check_out(&bob, guess("D")).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(shop.asked("GET", "/v1/promotion_codes").await.len(), 5);
}

#[tokio::test]
async fn while_stripe_is_down_the_buyer_gets_an_error_at_once_and_the_same_request_succeeds_later() {
    let shop = Shop::open_at(MockServer::start().await).await;
    for verb in ["POST", "GET"] {
        shop.answer(verb, "/v1/customers", 503, json!({"error": {"type": "api_error"}})).await;
    }
    let keyed = ada().with_key("patient");
    let mut late = Vec::new();
    for _ in 0..7 {
        let begun = Instant::now();
        let status = refused(shop.check_out(&keyed, buy(dfy(Tier::Starter))).await);
        late.extend(Some(begun.elapsed()).filter(|waited| waited.as_secs() >= 3));
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STRIPE_UNAVAILABLE"));
        assert!(status.get_error_details().retry_info().is_some());
    }
    // A busy machine delays some answers. If buyers waited for Stripe, each answer before the circuit opens would be late.
    assert!(late.len() < 3, "{late:?}");
    let asked =
        [shop.asked("POST", "/v1/customers").await, shop.asked("GET", "/v1/customers").await].concat();
    assert!(asked.len() < 7, "the circuit is open: {asked:?}");
}

#[tokio::test]
async fn a_guest_stays_the_same_customer_at_stripe_unless_that_one_was_deleted_or_belongs_to_another_person()
{
    let customer =
        |id: &str, email: &str| json!({"id": id, "object": "customer", "email": email, "name": "Ada"});
    // What Stripe has of the guest's customer, and which one the checkout is for.
    for (at_stripe, expected) in [
        (customer("cus_guest", "Ada@Example.com"), "cus_guest"),
        (customer("cus_guest", "eve@example.com"), "cus_1"),
        (json!({"id": "cus_guest", "object": "customer", "deleted": true}), "cus_1"),
    ] {
        let shop = Shop::open().await;
        let bought = with(session("cs_guest"), &[("customer", json!("cus_guest"))]);
        shop.answer("GET", "/v1/checkout/sessions/cs_guest", 200, bought.clone()).await;
        shop.bench.process(&event("evt_1", "checkout.session.completed", &bought)).await;
        shop.answer("GET", "/v1/customers/cus_guest", 200, at_stripe).await;
        for _ in 0..2 {
            shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
        }
        let asked = shop.asked("POST", "/v1/checkout/sessions").await;
        let same = format!("customer={expected}");
        assert!(
            asked.len() == 2 && asked.iter().all(|(form, _)| form.contains(&same)),
            "{expected}: {asked:?}"
        );
        let made = shop.asked("POST", "/v1/customers").await.len();
        assert_eq!(made, usize::from(expected == "cus_1"), "one customer per person");
        assert_eq!(shop.bench.count("customers").await, 1);
    }
    // The same address is no reason if another person is that customer already.
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
    let namesake = Caller::customer("ada-2", "ada@example.com");
    shop.stripe.reset().await;
    let other = customer("cus_2", "ada@example.com");
    shop.answer("POST", "/v1/customers", 200, other).await;
    shop.answer(
        "POST",
        "/v1/checkout/sessions",
        200,
        json!({"id": "cs_9", "url": "https://checkout.stripe.com/c"}),
    )
    .await;
    shop.check_out(&namesake, buy(dfy(Tier::Starter))).await.expect("a session");
    let asked = shop.asked("POST", "/v1/checkout/sessions").await;
    assert!(asked[0].0.contains("customer=cus_2"), "{asked:?}");
}

#[tokio::test]
async fn the_checkout_uses_the_settings_the_promotion_code_and_the_agreements() {
    let more = [
        ("CHECKOUT_SUCCESS_URL", "https://shop.example/ok"),
        ("CHECKOUT_CANCEL_URL", "https://shop.example/no"),
        ("LEVQOR_AUTOMATIC_TAX", "true"),
    ];
    let shop = Shop::open_with(MockServer::start().await, &more).await;
    shop.sell().await;
    let codes = |codes: Value| json!({"object": "list", "data": codes});
    shop.answer("GET", "/v1/promotion_codes", 200, codes(json!([{"id": "promo_1"}]))).await;
    let wish = || CreateCheckoutSessionRequest {
        promotion_code: "TEN".to_owned(),
        ..buy(growth(Term::Yearly, &[]))
    };
    shop.check_out(&ada(), wish()).await.expect("a session");
    let (form, _) = shop.asked("POST", "/v1/checkout/sessions").await.remove(0);
    for part in [
        "mode=subscription",
        "success_url=https://shop.example/ok",
        "cancel_url=https://shop.example/no",
        "automatic_tax[enabled]=true",
        "discounts[0][promotion_code]=promo_1",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    assert!(!form.contains("allow_promotion_codes"), "Stripe refuses both: {form}");
    let agreed = format!("subscriptions WHERE terms_version = '{TERMS}' AND start_at_once");
    assert_eq!(shop.bench.count(&agreed).await, 1);
    shop.stripe.reset().await;
    shop.answer("GET", "/v1/promotion_codes", 200, codes(json!([]))).await;
    assert_eq!(violated(&refused(shop.check_out(&ada(), wish()).await)), ["promotion_code"]);
}

#[tokio::test]
async fn a_start_after_the_time_to_withdraw_is_recorded_too() {
    let shop = Shop::open().await;
    let wish = |item| CreateCheckoutSessionRequest { start_at_once: false, ..buy(item) };
    shop.check_out(&ada(), wish(growth(Term::Monthly, &[]))).await.expect("a session");
    shop.check_out(&ada(), wish(dfy(Tier::Starter))).await.expect("a session");
    assert_eq!(shop.bench.count("subscriptions WHERE start_at_once = false").await, 1);
    assert_eq!(shop.bench.count("order_agreements WHERE NOT start_at_once").await, 1);
}

#[tokio::test]
async fn address_and_name_are_kept_in_step_and_a_deleted_customer_is_forgotten() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
    let customer = json!({"id": "cus_1", "object": "customer", "email": "ada@new.example", "name": "Ada L"});
    shop.answer("POST", "/v1/customers/cus_1", 200, customer.clone()).await;
    let moved = Caller::customer("ada", "ada@new.example");
    shop.check_out(&moved, buy(dfy(Tier::Starter))).await.expect("a session");
    let asked = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(asked.len() == 1 && asked[0].0.contains("email=ada@new.example"), "{asked:?}");

    shop.stripe.reset().await;
    shop.answer("GET", "/v1/customers/cus_1", 200, customer.clone()).await;
    shop.bench.process(&event("evt_1", "customer.updated", &customer)).await;
    let known =
        "customers WHERE name = 'Ada L' AND email = 'ada@new.example' AND stripe_customer_id = 'cus_1'";
    assert_eq!(shop.bench.count(known).await, 1);

    shop.stripe.reset().await;
    let deleted = json!({"id": "cus_1", "object": "customer", "deleted": true});
    shop.answer("GET", "/v1/customers/cus_1", 200, deleted).await;
    shop.bench.process(&event("evt_2", "customer.deleted", &customer)).await;
    assert_eq!(shop.bench.count("customers WHERE stripe_customer_id IS NULL").await, 1);
}

#[tokio::test]
async fn without_a_key_terms_or_the_price_nothing_is_sold_and_the_missing_setting_is_named() {
    let key = ("STRIPE_SECRET_KEY", "sk_test_1");
    let terms = ("LEVQOR_TERMS_VERSION", TERMS);
    for (set, missing) in [
        (vec![terms], "STRIPE_SECRET_KEY"),
        (vec![key], "LEVQOR_TERMS_VERSION"),
        (vec![key, terms, ("STRIPE_PRICE_PRO", "price_pro")], "STRIPE_PRICE_"),
    ] {
        let stripe = MockServer::start().await;
        let base = stripe.uri();
        let settings = [set, vec![("STRIPE_API_BASE", base.as_str())]].concat();
        let shop = Shop { bench: Bench::start_with(&settings).await, stripe };
        shop.sell().await;
        for item in [dfy(Tier::Starter), growth(Term::Monthly, &[])] {
            let status = refused(shop.check_out(&ada(), buy(item)).await);
            let (code, reason) = (status.code(), reason(&status));
            assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SHOP_CLOSED"), "{missing}");
            assert!(status.message().contains(missing), "{missing}: {}", status.message());
        }
        assert!(shop.asked("POST", "/v1/checkout/sessions").await.is_empty());
        for rows in ["orders", "subscriptions"] {
            assert_eq!(shop.bench.count(rows).await, 0, "{missing}: {rows}");
        }
    }
}
