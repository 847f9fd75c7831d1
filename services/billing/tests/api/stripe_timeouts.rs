//! No caller waits longer than three seconds for Stripe, whatever the RPC and whichever of Stripe's answers is late.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use levqor_proto_billing::v1::{
    CancelSubscriptionRequest, ChangeSubscriptionRequest, CreateBillingPortalSessionRequest,
    CreateCheckoutSessionRequest, GetSubscriptionWithdrawalRequest, PreviewSubscriptionChangeRequest,
    ResumeSubscriptionRequest, WithdrawSubscriptionRequest,
    create_checkout_session_request::{DoneForYou, Item, Subscribe},
    order::Tier,
    subscription::{Plan, Term},
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{Shop, TERMS, ada, event, reason, refused, session, subscription, with};

/// What customers ask for.
#[derive(Debug, Clone, Copy)]
enum Ask {
    CheckOut,
    CheckOutWithCode,
    Preview,
    Change,
    Cancel,
    Resume,
    Portal,
    ShowWithdrawal,
    Withdraw,
}

/// The longest wait.
const LIMIT: Duration = Duration::from_secs(3);
/// How often a case is tried. A busy machine delays one try, and a missing time limit delays all.
const TRIES: usize = 3;
/// How many cases run at the same time.
const AT_ONCE: usize = 3;
/// The cases: the customer's request, and the request to Stripe that is never answered.
const CASES: [(Ask, &str, &str); 14] = [
    (Ask::CheckOut, "POST", "/v1/customers"),
    (Ask::CheckOut, "POST", "/v1/checkout/sessions"),
    (Ask::CheckOutWithCode, "GET", "/v1/promotion_codes"),
    (Ask::CheckOutWithCode, "POST", "/v1/checkout/sessions"),
    (Ask::Preview, "GET", "/v1/subscriptions/sub_1"),
    (Ask::Preview, "POST", "/v1/invoices/create_preview"),
    (Ask::Change, "GET", "/v1/subscriptions/sub_1"),
    (Ask::Change, "POST", "/v1/subscriptions/sub_1"),
    (Ask::Cancel, "POST", "/v1/subscriptions/sub_1"),
    (Ask::Resume, "GET", "/v1/subscriptions/sub_1"),
    (Ask::Resume, "POST", "/v1/subscriptions/sub_1"),
    (Ask::Portal, "POST", "/v1/billing_portal/sessions"),
    (Ask::ShowWithdrawal, "GET", "/v1/invoices"),
    (Ask::Withdraw, "GET", "/v1/invoices"),
];

impl Shop {
    async fn ask(&self, ask: Ask) -> Result<(), Status> {
        let (mut checkout, mut subscriptions) = (self.checkout(), self.subscriptions());
        let promotion_code =
            if matches!(ask, Ask::CheckOutWithCode) { "TENOFF".to_owned() } else { String::new() };
        let buy = CreateCheckoutSessionRequest { promotion_code, ..starter() };
        let (plan, term, add_ons) = (Plan::Business.into(), Term::Monthly.into(), Vec::new());
        let preview = PreviewSubscriptionChangeRequest { plan, term, add_ons: add_ons.clone() };
        let change = ChangeSubscriptionRequest { plan, term, add_ons };
        match ask {
            Ask::CheckOut | Ask::CheckOutWithCode => {
                checkout.create_checkout_session(ada().request(buy)).await.map(drop)
            }
            Ask::Preview => subscriptions.preview_subscription_change(ada().request(preview)).await.map(drop),
            Ask::Change => subscriptions.change_subscription(ada().request(change)).await.map(drop),
            Ask::Cancel => {
                let request = ada().request(CancelSubscriptionRequest {});
                subscriptions.cancel_subscription(request).await.map(drop)
            }
            Ask::Resume => {
                let request = ada().request(ResumeSubscriptionRequest {});
                subscriptions.resume_subscription(request).await.map(drop)
            }
            Ask::Portal => {
                let request = ada().request(CreateBillingPortalSessionRequest {});
                checkout.create_billing_portal_session(request).await.map(drop)
            }
            Ask::ShowWithdrawal => {
                let request = ada().request(GetSubscriptionWithdrawalRequest {});
                self.withdrawals().get_subscription_withdrawal(request).await.map(drop)
            }
            Ask::Withdraw => {
                let request = ada().request(WithdrawSubscriptionRequest { etag: "of_the_offer".to_owned() });
                self.withdrawals().withdraw_subscription(request).await.map(drop)
            }
        }
    }

    /// Makes Stripe never answer this request. It answers all others.
    async fn never_answers(&self, verb: &str, at: &str) {
        self.stripe.reset().await;
        self.never(verb, at).await;
        self.sell().await;
        let codes = json!({"object": "list", "data": [{"id": "promo_1"}]});
        self.answer("GET", "/v1/promotion_codes", 200, codes).await;
        self.answer("GET", "/v1/subscriptions/sub_1", 200, growth(false)).await;
        self.answer("POST", "/v1/subscriptions/sub_1", 200, growth(false)).await;
    }
}

/// A checkout of an order.
fn starter() -> CreateCheckoutSessionRequest {
    CreateCheckoutSessionRequest {
        item: Some(Item::Dfy(DoneForYou { tier: Tier::Starter.into() })),
        terms_version: TERMS.to_owned(),
        ..Default::default()
    }
}

/// A checkout of a subscription.
fn wish(term: Term) -> CreateCheckoutSessionRequest {
    let wanted = Subscribe { plan: Plan::Growth.into(), term: term.into(), add_ons: Vec::new() };
    CreateCheckoutSessionRequest { item: Some(Item::Subscription(wanted)), ..starter() }
}

fn growth(ends: bool) -> Value {
    let end = if ends { json!(4_000_000_000_i64) } else { Value::Null };
    with(subscription("active", &[("GROWTH", 7900)]), &[("cancel_at", end)])
}

/// How long this took, and its result.
async fn timed<T>(call: impl Future<Output = T>) -> (Duration, T) {
    let begun = Instant::now();
    let result = call.await;
    (begun.elapsed(), result)
}

/// Asserts that a try ends in time. Each try returns how long its customer waited.
async fn in_time(what: &str, one_try: impl AsyncFn() -> Duration) {
    let mut late = Vec::new();
    while late.len() < TRIES {
        let waited = one_try().await;
        if waited < LIMIT {
            return;
        }
        late.push(waited);
    }
    panic!("{what}: {late:?}");
}

#[tokio::test]
async fn no_customer_waits_longer_than_three_seconds_for_stripe() {
    let case = |(ask, verb, at): (Ask, &'static str, &'static str)| async move {
        let what = format!("{ask:?} while {verb} {at} is not answered");
        // Each try has a service of its own: after a few failures the circuit breaker of one service would answer the others at
        // once.
        let one_try = async || {
            let shop = Shop::open().await;
            if !matches!(ask, Ask::CheckOut | Ask::CheckOutWithCode) {
                shop.subscribe(&growth(matches!(ask, Ask::Resume))).await;
            }
            shop.never_answers(verb, at).await;
            let (waited, asked) = timed(shop.ask(ask)).await;
            let status = refused(asked);
            let why = format!("{what}, after {waited:?}: {status:?}");
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unavailable, "STRIPE_UNAVAILABLE"),
                "{why}"
            );
            assert!(status.get_error_details().retry_info().is_some(), "{why}");
            waited
        };
        Box::pin(in_time(&what, one_try)).await;
    };
    // Only a few cases run at a time, so that they wait for Stripe and not for a CPU.
    Box::pin(stream::iter(CASES.map(case)).buffer_unordered(AT_ONCE).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_new_address_that_stripe_is_slow_to_take_delays_neither_checkout_nor_portal_for_long() {
    let one_try = async || {
        let shop = Shop::open().await;
        shop.checkout().create_checkout_session(ada().request(starter())).await.expect("a session");
        shop.never("POST", "/v1/customers/cus_1").await;
        let url = "https://billing.stripe.com/p/1";
        shop.answer("POST", "/v1/billing_portal/sessions", 200, json!({"id": "bps_1", "url": url})).await;
        let moved = Caller::customer("ada", "ada@new.example");
        let mut checkout = shop.checkout();
        let (first, made) = timed(checkout.create_checkout_session(moved.request(starter()))).await;
        made.expect("a session");
        let request = moved.request(CreateBillingPortalSessionRequest {});
        let (second, made) = timed(checkout.create_billing_portal_session(request)).await;
        made.expect("a session");
        first.max(second)
    };
    Box::pin(in_time("the new address", one_try)).await;
}

#[tokio::test]
async fn a_checkout_does_not_wait_long_for_the_end_of_an_old_session_or_for_a_guests_customer() {
    let wait = async |shop: &Shop| {
        let mut checkout = shop.checkout();
        let (waited, made) = timed(checkout.create_checkout_session(ada().request(wish(Term::Yearly)))).await;
        assert_eq!(reason(&refused(made)), "STRIPE_UNAVAILABLE", "after {waited:?}");
        waited
    };
    let left = async || {
        let left = Shop::open().await;
        left.checkout().create_checkout_session(ada().request(wish(Term::Monthly))).await.expect("a session");
        left.never("POST", "/v1/checkout/sessions/cs_1/expire").await;
        wait(&left).await
    };
    let guest = async || {
        let guest = Shop::open().await;
        let bought = with(session("cs_guest"), &[("customer", json!("cus_guest"))]);
        guest.answer("GET", "/v1/checkout/sessions/cs_guest", 200, bought.clone()).await;
        guest.bench.process(&event("evt_1", "checkout.session.completed", &bought)).await;
        guest.never("GET", "/v1/customers/cus_guest").await;
        wait(&guest).await
    };
    let (left, guest) = (in_time("the left session", left), in_time("the guest's customer", guest));
    tokio::join!(Box::pin(left), Box::pin(guest));
}

#[tokio::test]
async fn both_requests_for_the_invoices_of_an_older_stripe_have_the_time_of_one() {
    let one_try = async || {
        let shop = Shop::open().await;
        shop.subscribe(&growth(false)).await;
        // An older version of the API has nothing to expand. It says so late, and never answers the second request.
        let expands =
            |request: &wiremock::Request| request.url.query().unwrap_or_default().contains("expand");
        let refusal = ResponseTemplate::new(400)
            .set_body_json(json!({"error": {"type": "invalid_request_error"}}))
            .set_delay(Duration::from_millis(1200));
        let first = Mock::given(method("GET")).and(path("/v1/invoices")).and(expands);
        first.respond_with(refusal).mount(&shop.stripe).await;
        shop.never("GET", "/v1/invoices").await;
        let (waited, asked) = timed(shop.ask(Ask::ShowWithdrawal)).await;
        let status = refused(asked);
        assert_eq!(reason(&status), "STRIPE_UNAVAILABLE", "after {waited:?}: {status:?}");
        assert_eq!(shop.asked("GET", "/v1/invoices").await.len(), 2);
        waited
    };
    Box::pin(in_time("the invoices", one_try)).await;
}
