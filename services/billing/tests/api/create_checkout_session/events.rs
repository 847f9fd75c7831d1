//! The order that was stored before the redirect becomes the paid order, in whatever sequence the events of the checkout arrive.

use levqor_proto_billing::v1::{
    order::{PaymentState, Tier},
    subscription::{State, Term},
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use wiremock::MockServer;

use super::{buy, dfy, growth};
use crate::support::{Shop, ada, busy, event, reason, refused, session, subscription, with};

const COMPLETED: &str = "checkout.session.completed";
/// Every order of three events.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// A buyer with a customer of their own at Stripe.
struct Buyer {
    name: String,
    email: String,
    customer: String,
    caller: Caller,
}

impl Buyer {
    fn new(n: usize) -> Self {
        let (name, email) = (format!("buyer{n}"), format!("buyer{n}@example.com"));
        let caller = Caller::customer(&name, &email);
        Self { name, email, customer: format!("cus_{n}"), caller }
    }
}

/// A shop, and a buyer for each order of events. They check out one after the other.
async fn shop_and_buyers() -> (Shop, Vec<Buyer>) {
    let shop = Shop::open_at(MockServer::start().await).await;
    let buyers: Vec<_> = (0..ORDERS.len()).map(Buyer::new).collect();
    for Buyer { email, customer, .. } in &buyers {
        let customer = json!({"id": customer, "object": "customer", "email": email});
        shop.answer_once("POST", "/v1/customers", 200, customer).await;
    }
    shop.sell().await;
    (shop, buyers)
}

/// The session of an order that is paid.
fn paid_session(id: &str, order_id: &str) -> Value {
    let metadata = json!({"mode": "dfy", "plan": "starter", "order_id": order_id});
    with(session(id), &[("metadata", metadata)])
}

#[tokio::test]
async fn an_order_of_ours_is_paid_once() {
    let (shop, buyers) = shop_and_buyers().await;
    for (Buyer { name, email, customer, caller }, places) in buyers.iter().zip(ORDERS) {
        let made = shop.check_out(caller, buy(dfy(Tier::Starter))).await.expect("a session");
        let id = made.stripe_checkout_session_id;
        let details = json!({"email": email, "name": name});
        let paid = with(
            paid_session(&id, &made.order_id),
            &[("customer", json!(customer)), ("customer_details", details)],
        );
        let unpaid = with(paid.clone(), &[("payment_status", json!("unpaid"))]);
        let at = format!("/v1/checkout/sessions/{id}");
        shop.answer_once("GET", &at, 200, unpaid.clone()).await;
        shop.answer("GET", &at, 200, paid.clone()).await;
        let intent_id = format!("pi_{id}");
        let intent = json!({"id": intent_id, "object": "payment_intent"});
        let told = [
            (COMPLETED, &unpaid),
            ("checkout.session.async_payment_succeeded", &paid),
            ("payment_intent.succeeded", &intent),
        ];
        let list = json!({"object": "list", "data": [&paid]});
        shop.answer_for("/v1/checkout/sessions", ("payment_intent", &intent_id), list).await;
        for place in places {
            let (event_type, object) = told[place];
            shop.bench.process(&event(&format!("evt_{name}_{place}"), event_type, object)).await;
        }
        let order = format!(
            "orders WHERE order_id = '{}' AND owner_sub = '{name}' AND stripe_checkout_session_id = '{id}'
                 AND payment_state = 'PAID'",
            made.order_id
        );
        assert_eq!(shop.bench.count(&order).await, 1, "{places:?}");
    }
    assert_eq!(shop.bench.count("orders").await, 6);
    assert_eq!(shop.bench.count("runtime.audit_entries WHERE action = 'order.paid'").await, 6);
    assert_eq!(shop.bench.messages().await.len(), 12, "each buyer is welcomed and asked once");
}

#[tokio::test]
async fn a_subscription_of_ours_begins_once() {
    let (shop, buyers) = shop_and_buyers().await;
    for (Buyer { name, email, customer, caller }, places) in buyers.iter().zip(ORDERS) {
        let made = shop.check_out(caller, buy(growth(Term::Monthly, &[]))).await.expect("a session");
        let (id, at_stripe) = (made.stripe_checkout_session_id, format!("sub_{name}"));
        let metadata = json!({
            "mode": "subscription", "plan": "growth", "term": "monthly",
            "subscription_id": made.subscription_id,
        });
        let owner = json!({"id": customer, "object": "customer", "email": email, "name": name});
        let begun = with(
            subscription("active", &[("GROWTH", 7900)]),
            &[("id", json!(at_stripe)), ("metadata", metadata.clone()), ("customer", owner)],
        );
        let finished = with(
            session(&id),
            &[
                ("mode", json!("subscription")),
                ("metadata", metadata),
                ("subscription", json!(at_stripe)),
                ("customer", json!(customer)),
                ("payment_intent", Value::Null),
            ],
        );
        shop.answer("GET", &format!("/v1/checkout/sessions/{id}"), 200, finished.clone()).await;
        shop.answer("GET", &format!("/v1/subscriptions/{at_stripe}"), 200, begun.clone()).await;
        let told = [
            (COMPLETED, &finished),
            ("customer.subscription.created", &begun),
            ("customer.subscription.updated", &begun),
        ];
        for place in places {
            let (event_type, object) = told[place];
            shop.bench.process(&event(&format!("evt_{name}_{place}"), event_type, object)).await;
        }
        let row = format!(
            "subscriptions WHERE subscription_id = '{}' AND owner_sub = '{name}' AND state = 'ACTIVE'
                 AND start_at_once AND stripe_subscription_id = '{at_stripe}' AND stripe_checkout_session_id = '{id}'",
            made.subscription_id
        );
        assert_eq!(shop.bench.count(&row).await, 1, "{places:?}");
    }
    assert_eq!(shop.bench.count("subscriptions").await, 6);
    assert_eq!(shop.bench.count("runtime.audit_entries WHERE action = 'subscription.begin'").await, 6);
    let messages = shop.bench.messages().await;
    assert_eq!(messages.iter().filter(|(key, _)| key.starts_with("subscription_started:")).count(), 6);
}

#[tokio::test]
async fn expired_checkouts_end_the_work_that_waited_for_them_without_a_mail() {
    const EXPIRED: &str = "checkout.session.expired";
    let (shop, buyers) = shop_and_buyers().await;
    for (Buyer { name, email, customer, caller }, places) in buyers.iter().zip(ORDERS) {
        let order = shop.check_out(caller, buy(dfy(Tier::Starter))).await.expect("a session");
        let growing = shop.check_out(caller, buy(growth(Term::Monthly, &[]))).await.expect("a session");
        let left = [
            ("status", json!("expired")),
            ("payment_status", json!("unpaid")),
            ("customer", json!(customer)),
        ];
        let details = ("customer_details", json!({"email": email, "name": name}));
        let order_id = order.stripe_checkout_session_id;
        let of_order = with(with(paid_session(&order_id, &order.order_id), &left), &[details]);
        let metadata =
            json!({"mode": "subscription", "plan": "growth", "subscription_id": growing.subscription_id});
        let growing_id = growing.stripe_checkout_session_id;
        let of_subscription = with(
            with(session(&growing_id), &left),
            &[("mode", json!("subscription")), ("metadata", metadata), ("payment_intent", Value::Null)],
        );
        // A card was declined before the buyer left.
        let intent_id = format!("pi_{order_id}");
        let intent = json!({"id": intent_id, "object": "payment_intent"});
        let list = json!({"object": "list", "data": [&of_order]});
        shop.answer_for("/v1/checkout/sessions", ("payment_intent", &intent_id), list).await;
        for (id, session) in [(&order_id, &of_order), (&growing_id, &of_subscription)] {
            shop.answer("GET", &format!("/v1/checkout/sessions/{id}"), 200, session.clone()).await;
        }
        let told =
            [(EXPIRED, &of_order), (EXPIRED, &of_subscription), ("payment_intent.payment_failed", &intent)];
        // Each arrives twice.
        for (n, place) in places.into_iter().chain(places).enumerate() {
            let (event_type, object) = told[place];
            shop.bench.process(&event(&format!("evt_{name}_{n}"), event_type, object)).await;
        }
        let ended = format!("orders WHERE order_id = '{}' AND payment_state = 'CANCELLED'", order.order_id);
        assert_eq!(shop.bench.count(&ended).await, 1, "{places:?}");
        let ended = format!(
            "subscriptions WHERE subscription_id = '{}' AND state = 'ABANDONED' AND version = 1",
            growing.subscription_id
        );
        assert_eq!(shop.bench.count(&ended).await, 1, "{places:?}");
    }
    assert_eq!(shop.bench.count("orders").await, 6);
    assert_eq!(shop.bench.count("subscriptions").await, 6);
    assert_eq!(shop.bench.count("order_events").await, 0);
    assert!(shop.bench.messages().await.is_empty());
}

#[tokio::test]
async fn a_session_without_a_buyer_makes_an_order_only_if_it_is_paid() {
    let shop = Shop::open().await;
    let made = shop.check_out(&ada(), buy(dfy(Tier::Starter))).await.expect("a session");
    // An earlier attempt of the same checkout made it, and Stripe answered with an error of its own.
    let left = [("status", json!("expired")), ("payment_status", json!("unpaid"))];
    let earlier = with(paid_session("cs_earlier", &made.order_id), &left);
    shop.answer("GET", "/v1/checkout/sessions/cs_earlier", 200, earlier.clone()).await;
    shop.bench.process(&event("evt_1", "checkout.session.expired", &earlier)).await;
    let order = shop.bench.order().await;
    assert_eq!((order.payment_state(), &order.order_id), (PaymentState::Pending, &made.order_id));
    let paid = paid_session("cs_paid", &made.order_id);
    shop.answer("GET", "/v1/checkout/sessions/cs_paid", 200, paid.clone()).await;
    shop.bench.process(&event("evt_2", COMPLETED, &paid)).await;
    let waiting = format!("orders WHERE order_id = '{}' AND payment_state = 'PENDING'", made.order_id);
    assert_eq!(shop.bench.count(&waiting).await, 1);
    assert_eq!(shop.bench.count("orders WHERE payment_state = 'PAID'").await, 1, "the money is not lost");
}

#[tokio::test]
async fn an_event_may_come_before_stripes_answer_is_stored() {
    let shop = Shop::open_at(MockServer::start().await).await;
    let customer = json!({"id": "cus_1", "object": "customer", "email": "ada@example.com"});
    shop.answer("POST", "/v1/customers", 200, customer).await;
    // Stripe makes both sessions, and its answers are lost.
    for _ in 0..2 {
        shop.answer_once("POST", "/v1/checkout/sessions", 429, busy()).await;
    }
    shop.sell().await;
    let (order, growing) = (|| buy(dfy(Tier::Starter)), || buy(growth(Term::Monthly, &[])));
    let (first, second) = (ada().with_key("first"), ada().with_key("second"));
    refused(shop.check_out(&first, order()).await);
    refused(shop.check_out(&second, growing()).await);

    let waiting = shop.bench.order().await;
    let paid = paid_session("cs_1", &waiting.order_id);
    shop.answer("GET", "/v1/checkout/sessions/cs_1", 200, paid.clone()).await;
    shop.bench.process(&event("evt_1", COMPLETED, &paid)).await;
    let found = shop.check_out(&first, order()).await.expect("the session that was made");
    assert_eq!((found.stripe_checkout_session_id.as_str(), &found.order_id), ("cs_1", &waiting.order_id));
    let paid = shop.bench.order().await;
    assert_eq!((paid.payment_state(), paid.order_id), (PaymentState::Paid, waiting.order_id));

    let waiting = shop.subscription().await.expect("a subscription");
    assert_eq!(waiting.state(), State::Pending);
    let metadata = json!({"subscription_id": waiting.subscription_id});
    let begun = with(subscription("active", &[("GROWTH", 7900)]), &[("metadata", metadata)]);
    shop.answer("GET", "/v1/subscriptions/sub_1", 200, begun.clone()).await;
    shop.bench.process(&event("evt_2", "customer.subscription.created", &begun)).await;
    assert_eq!(reason(&refused(shop.check_out(&second, growing()).await)), "ALREADY_SUBSCRIBED");
    let found = shop.subscription().await.expect("a subscription");
    assert_eq!((found.state(), found.subscription_id), (State::Active, waiting.subscription_id));
    assert_eq!(shop.bench.count("subscriptions").await, 1);
}
