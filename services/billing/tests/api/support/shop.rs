//! A service that sells: with a key, all prices and terms, and a mock of Stripe that makes customers and sessions.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use levqor_proto_billing::v1::{
    Subscription, checkout_service_client::CheckoutServiceClient, refund_service_client::RefundServiceClient,
    subscription_service_client::SubscriptionServiceClient,
};
use levqor_runtime::{client::Peer, testing::eventually};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path, query_param},
};

use super::{Bench, ada};

/// The version of the terms.
pub(crate) const TERMS: &str = "2026-11-01";
/// The names of the prices' settings, without `STRIPE_PRICE_`.
const PRICES: &[&str] = &[
    "STARTER",
    "STARTER_YEAR",
    "GROWTH",
    "GROWTH_YEAR",
    "PRO",
    "PRO_YEAR",
    "BUSINESS",
    "BUSINESS_YEAR",
    "DFY_STARTER",
    "DFY_PROFESSIONAL",
    "DFY_ENTERPRISE",
    "ADDON_PRIORITY_SUPPORT",
    "ADDON_SLA_99_9",
    "ADDON_WHITE_LABEL",
];

/// The service, and its Stripe.
pub(crate) struct Shop {
    pub(crate) bench: Bench,
    pub(crate) stripe: MockServer,
}

impl Shop {
    /// A shop whose Stripe makes customers and sessions.
    pub(crate) async fn open() -> Self {
        let shop = Self::open_at(MockServer::start().await).await;
        shop.sell().await;
        shop
    }

    /// A shop with this Stripe.
    pub(crate) async fn open_at(stripe: MockServer) -> Self {
        Self::open_with(stripe, &[]).await
    }

    /// The same, with more settings.
    pub(crate) async fn open_with(stripe: MockServer, more: &[(&str, &str)]) -> Self {
        let base = stripe.uri();
        let prices: Vec<_> =
            PRICES.iter().map(|name| (format!("STRIPE_PRICE_{name}"), price_id(name))).collect();
        let prices = prices.iter().map(|(name, id)| (name.as_str(), id.as_str()));
        let settings: Vec<_> =
            [("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_API_BASE", &base), ("LEVQOR_TERMS_VERSION", TERMS)]
                .into_iter()
                .chain(prices)
                .chain(more.iter().copied())
                .collect();
        let bench = Bench::start_with(&settings).await;
        Self { bench, stripe }
    }

    /// Lets Stripe make customers and sessions.
    pub(crate) async fn sell(&self) {
        let customer = json!({"id": "cus_1", "object": "customer", "email": "ada@example.com"});
        self.answer("POST", "/v1/customers", 200, customer.clone()).await;
        self.answer("GET", "/v1/customers/cus_1", 200, customer).await;
        let made = AtomicUsize::new(0);
        // Each session has an id of its own: `cs_1`, `cs_2`.
        let session = move |_: &wiremock::Request| {
            let id = format!("cs_{}", made.fetch_add(1, Ordering::SeqCst) + 1);
            let url = format!("https://checkout.stripe.com/c/{id}");
            ResponseTemplate::new(200)
                .set_body_json(json!({"id": id, "url": url, "expires_at": 4_000_000_000_i64}))
        };
        let at = Mock::given(method("POST")).and(path("/v1/checkout/sessions"));
        at.respond_with(session).mount(&self.stripe).await;
    }

    /// Makes Stripe answer a request with this status and body.
    pub(crate) async fn answer(&self, verb: &str, at: &str, status: u16, body: Value) {
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&self.stripe).await;
    }

    /// Makes Stripe answer the next such request with this status and body. Later requests get the answers that follow.
    pub(crate) async fn answer_once(&self, verb: &str, at: &str, status: u16, body: Value) {
        let answer = ResponseTemplate::new(status).set_body_json(body);
        let next = Mock::given(method(verb)).and(path(at)).respond_with(answer).up_to_n_times(1);
        next.mount(&self.stripe).await;
    }

    /// Makes Stripe answer a read with this parameter.
    pub(crate) async fn answer_for(&self, at: &str, (name, value): (&str, &str), body: Value) {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        let asked = Mock::given(method("GET")).and(path(at)).and(query_param(name, value));
        asked.respond_with(answer).mount(&self.stripe).await;
    }

    /// Makes Stripe answer this request after a second, which is sooner than anybody stops to wait.
    pub(crate) async fn answer_late(&self, verb: &str, at: &str, body: Value) {
        let late = ResponseTemplate::new(200).set_body_json(body).set_delay(Duration::from_secs(1));
        Mock::given(method(verb)).and(path(at)).respond_with(late).mount(&self.stripe).await;
    }

    /// Makes Stripe never answer this request.
    pub(crate) async fn never(&self, verb: &str, at: &str) {
        let late = ResponseTemplate::new(200).set_delay(Duration::from_hours(1));
        Mock::given(method(verb)).and(path(at)).respond_with(late).mount(&self.stripe).await;
    }

    /// Puts off the deferred calls of this RPC by a day, so that only the test makes them. First it waits for those that are being
    /// made: they ask Stripe, whose answers the test is about to change.
    pub(crate) async fn put_off(&self, rpc: &str) {
        let calls = format!("rpc LIKE '%/{rpc}'");
        let later = format!(
            "UPDATE runtime.work SET due_time = runtime.now() + interval '1 day' WHERE {calls} AND leased_until IS NULL"
        );
        let soon = format!(
            "runtime.work WHERE {calls} AND (leased_until IS NOT NULL OR due_time < runtime.now() + interval '12 hours')"
        );
        eventually("the deferred call is put off", || async {
            self.bench.execute(&later).await;
            (self.bench.count(&soon).await == 0).then_some(())
        })
        .await;
    }

    /// Stripe's last page of a list, for a request with this id as `starting_after`.
    pub(crate) async fn answer_page(&self, at: &str, after: &str, data: &[&Value]) {
        let list = json!({"object": "list", "data": data, "has_more": false});
        self.answer_for(at, ("starting_after", after), list).await;
    }

    /// The requests to Stripe with this verb and path: the form, decoded, and the idempotency key.
    pub(crate) async fn asked(&self, verb: &str, at: &str) -> Vec<(String, String)> {
        let requests = self.stripe.received_requests().await.expect("recorded");
        let ours =
            requests.iter().filter(|request| request.method.as_str() == verb && request.url.path() == at);
        let read = |request: &wiremock::Request| {
            let form = String::from_utf8_lossy(&request.body).replace('+', " ");
            let form = percent_decode_str(&form).decode_utf8_lossy().into_owned();
            let key = request.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
            (form, key.unwrap_or_default().to_owned())
        };
        ours.map(read).collect()
    }

    pub(crate) fn checkout(&self) -> CheckoutServiceClient<Peer> {
        CheckoutServiceClient::new(self.bench.service.channel())
    }

    pub(crate) fn subscriptions(&self) -> SubscriptionServiceClient<Peer> {
        SubscriptionServiceClient::new(self.bench.service.channel())
    }

    pub(crate) fn refunds(&self) -> RefundServiceClient<Peer> {
        RefundServiceClient::new(self.bench.service.channel())
    }

    /// Stripe has this subscription of Ada's, and sends an event about it.
    pub(crate) async fn subscribe(&self, subscription: &Value) {
        self.stripe.reset().await;
        self.sell().await;
        self.answer("GET", "/v1/subscriptions/sub_1", 200, subscription.clone()).await;
        let event = super::event(&event_id(), "customer.subscription.updated", subscription);
        self.bench.process(&event).await;
    }

    /// Ada's subscription.
    pub(crate) async fn subscription(&self) -> Option<Subscription> {
        let request = ada().request(levqor_proto_billing::v1::GetSubscriptionRequest::default());
        self.subscriptions().get_subscription(request).await.ok()?.into_inner().subscription
    }
}

/// A new event's id.
fn event_id() -> String {
    format!("evt_{}", levqor_runtime::id::request_id())
}

/// The id of a price.
pub(crate) fn price_id(name: &str) -> String {
    format!("price_{}", name.to_lowercase().replace('_', ""))
}

/// A subscription at Stripe to these prices, each with its amount.
pub(crate) fn subscription(status: &str, prices: &[(&str, i64)]) -> Value {
    let item = |(n, (name, amount)): (usize, &(&str, i64))| {
        json!({
            "id": format!("si_{n}"), "current_period_start": 1_790_000_000, "current_period_end": 4_000_000_000_i64,
            "price": {"id": price_id(name), "unit_amount": amount, "recurring": {"interval": "month"}},
        })
    };
    let items: Vec<_> = prices.iter().enumerate().map(item).collect();
    json!({
        "id": "sub_1", "object": "subscription", "status": status, "livemode": false, "metadata": {},
        "customer": {"id": "cus_1", "object": "customer", "email": "ada@example.com", "name": "Ada"},
        "items": {"data": items}, "start_date": 1_790_000_000, "cancel_at_period_end": false,
    })
}
