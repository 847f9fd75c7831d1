//! Customers check out, change and withdraw while billing is killed between any two writes: each request is made at Stripe once,
//! and the money is paid back once.

use std::{collections::BTreeSet, net::SocketAddr};

use chrono::TimeDelta;
use levqor_billing::fail_point as billing;
use levqor_runtime::{
    db::Db,
    fail_point::FailPoint,
    testing::{Caller, eventually},
};
use serde_json::{Value, json};

use super::{
    get,
    mail_provider::MailProvider,
    post_json,
    processes::{Mesh, Plan},
    refunds,
    shop::Shop,
};
use crate::{fakes::stripe::price_settings, harness::Answer, roles::Role};

/// The fail points that every request to Stripe reaches.
const OPERATION: &[FailPoint] = &[
    billing::OPERATION_STORED,
    billing::OPERATION_ANSWERED,
    billing::OPERATION_WRITTEN,
    billing::OPERATION_SETTLED,
];

/// A buyer.
struct Customer {
    name: String,
    email: String,
    caller: Caller,
}

impl Customer {
    /// A customer of their own for each fail point.
    fn new(point: FailPoint) -> Self {
        let name = point.name().replace(['.', '_'], "-");
        let email = format!("{name}@example.com");
        let caller = Caller::customer(&name, &email);
        Self { name, email, caller }
    }

    /// Asks for something under a key, until it is done.
    async fn ask(&self, door: SocketAddr, path: &str, key: &str, body: &Value) -> Answer {
        eventually("the customer's wish is done", || async {
            let answer = post_json(door, &self.caller, path, key, body).await?;
            // 409: the same request is still under way.
            assert!(matches!(answer.status, 200 | 409 | 503), "{path}: {}", answer.text);
            (answer.status == 200).then_some(answer)
        })
        .await
    }

    /// The page that the customer sees.
    async fn see(&self, door: SocketAddr, path: &str) -> Answer {
        eventually("it is shown", || async {
            get(door, &self.caller, path).await.filter(|answer| answer.status == 200)
        })
        .await
    }
}

/// A mesh that sells at the prices of this shop.
async fn selling(shop: &Shop, post: &MailProvider) -> Mesh {
    let mut plan = Plan::new(1, shop, post).await;
    plan.settings.push(("LEVQOR_TERMS_VERSION", "1".to_owned()));
    plan.settings.extend(price_settings().into_iter().map(|(name, id)| (&*name.leak(), id)));
    let mesh = Mesh::start(plan).await;
    shop.deliver_to(mesh.door);
    mesh
}

/// Billing kills itself at this point during a request. Then it runs again, and does all its work.
async fn while_killed(
    mesh: &mut Mesh,
    shop: &Shop,
    point: FailPoint,
    asked: impl Future<Output = Answer>,
) -> Answer {
    let n = mesh.first(Role::Billing);
    mesh.kill(n);
    mesh.spawn(n, Some(point));
    let killed = async {
        mesh.killed_itself(n, point).await;
        mesh.spawn(n, None);
        mesh.advance(TimeDelta::minutes(1)).await;
    };
    let (answer, ()) = tokio::join!(asked, killed);
    rest(mesh, shop).await;
    answer
}

/// Waits until the mesh has no work left, and Stripe has sent all events.
async fn rest(mesh: &Mesh, shop: &Shop) {
    mesh.rest().await;
    shop.all_taken().await;
    mesh.rest().await;
}

async fn count(db: &Db, query: &'static str) -> usize {
    let count: i64 = sqlx::query_scalar(query).fetch_one(db.pool()).await.expect("a count");
    usize::try_from(count).expect("a count")
}

/// Asserts that this number of withdrawals is completed, and that each has one refund of this amount, one receipt and one mail
/// about the money.
async fn assert_paid_back(mesh: &Mesh, shop: &Shop, post: &MailProvider, withdrawals: usize, amount: i64) {
    assert_eq!(shop.refunded(), vec![amount; withdrawals], "each refund is at Stripe once");
    let completed = "SELECT count(*) FROM withdrawals WHERE state = 'COMPLETED'";
    assert_eq!(count(mesh.billing(), completed).await, withdrawals);
    assert_eq!(count(mesh.billing(), "SELECT count(*) FROM withdrawals").await, withdrawals);
    assert_eq!(count(mesh.billing(), "SELECT count(*) FROM refunds WHERE told").await, withdrawals);
    assert_eq!(count(mesh.billing(), UNFINISHED).await, 0);
    let receipts = "SELECT count(*) FROM messages WHERE template = 'withdrawal_receipt'";
    assert_eq!(count(mesh.notifications(), receipts).await, withdrawals);
    let mails = "SELECT count(*) FROM messages WHERE template = 'refund_made'";
    assert_eq!(count(mesh.notifications(), mails).await, withdrawals);
    post.assert_told(mesh).await;
}

const UNFINISHED: &str = "SELECT count(*) FROM stripe_operations WHERE state <> 'DONE'";

#[tokio::test]
async fn a_kill_between_any_two_writes_of_a_checkout_makes_one_customer_and_each_session_once() {
    let (shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = selling(&shop, &post).await;
    let mut orders = BTreeSet::new();
    for &point in OPERATION {
        let customer = Customer::new(point);
        // The first checkout is killed while the customer is made at Stripe, the second while its session is.
        for key in ["first", "second"] {
            let wish = json!({"dfy": {"tier": "TIER_STARTER"}, "terms_version": "1", "start_at_once": true});
            let asked = customer.ask(mesh.door, "/v1/checkout-sessions", key, &wish);
            let answer = while_killed(&mut mesh, &shop, point, asked).await;
            let (order, session) = (answer.str("/order_id"), answer.str("/stripe_checkout_session_id"));
            assert!(answer.str("/url").contains(session), "{}: {}", point.name(), answer.text);
            assert!(orders.insert(order.to_owned()), "{}: {}", point.name(), answer.text);
        }
    }
    let mut at_stripe = shop.labels("checkout.session", "order_id");
    at_stripe.sort();
    assert_eq!(at_stripe, orders.into_iter().collect::<Vec<_>>(), "each session is at Stripe once");
    assert_eq!(shop.labels("customer", "customer_id").len(), OPERATION.len(), "one customer per person");
    assert_eq!(count(mesh.billing(), "SELECT count(*) FROM orders").await, 2 * OPERATION.len());
    assert_eq!(count(mesh.billing(), UNFINISHED).await, 0);
}

#[tokio::test]
async fn a_kill_between_any_two_writes_of_another_checkout_or_of_a_change_does_each_once() {
    let (shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = selling(&shop, &post).await;
    for &point in OPERATION {
        let customer = Customer::new(point);
        let wish = |plan: &str| {
            let item = json!({"plan": plan, "term": "TERM_MONTHLY"});
            json!({"subscription": item, "terms_version": "1", "start_at_once": true})
        };
        let (growth, pro) = (wish("PLAN_GROWTH"), wish("PLAN_PRO"));
        customer.ask(mesh.door, "/v1/checkout-sessions", "growth", &growth).await;
        // Killed while the session that was left is ended.
        let asked = customer.ask(mesh.door, "/v1/checkout-sessions", "pro", &pro);
        let checkout = while_killed(&mut mesh, &shop, point, asked).await;
        // The end of the session may be left to the schedule.
        mesh.advance(TimeDelta::minutes(1)).await;
        eventually("nothing is left to be done at Stripe", || async {
            (count(mesh.billing(), UNFINISHED).await == 0).then_some(())
        })
        .await;
        shop.pay(checkout.str("/stripe_checkout_session_id"), &customer.name, &customer.email);
        rest(&mesh, &shop).await;
        let business = json!({"plan": "PLAN_BUSINESS", "term": "TERM_MONTHLY", "add_ons": []});
        let asked = customer.ask(mesh.door, "/v1/subscription:change", "change", &business);
        while_killed(&mut mesh, &shop, point, asked).await;
    }
    assert_eq!(shop.labels("subscription", "subscription_id").len(), OPERATION.len());
    for done in [
        "SELECT count(*) FROM subscriptions WHERE state = 'ACTIVE' AND plan = 'BUSINESS'",
        "SELECT count(*) FROM subscriptions WHERE state = 'ABANDONED'",
        "SELECT count(*) FROM stripe_operations WHERE state = 'DONE' AND kind = 'CHECKOUT_EXPIRY'",
        "SELECT count(*) FROM stripe_operations WHERE state = 'DONE' AND kind = 'SUBSCRIPTION_UPDATE'",
    ] {
        assert_eq!(count(mesh.billing(), done).await, OPERATION.len(), "{done}");
    }
    assert_eq!(count(mesh.billing(), UNFINISHED).await, 0);
}

#[tokio::test]
async fn a_kill_between_any_two_writes_of_a_withdrawal_from_an_order_pays_back_once() {
    let (shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = selling(&shop, &post).await;
    for &point in refunds::POINTS {
        let customer = Customer::new(point);
        shop.sell_to(&customer.name, &customer.email);
        shop.all_taken().await;
        mesh.rest().await;
        let orders = customer.see(mesh.door, "/v1/orders").await;
        let order = format!("/v1/orders/{}", orders.str("/orders/0/order_id"));
        let shown = customer.see(mesh.door, &format!("{order}/withdrawal")).await;
        let confirm = json!({"etag": shown.str("/offer/etag")});
        let path = format!("{order}:withdraw");
        let asked = customer.ask(mesh.door, &path, "withdraw", &confirm);
        while_killed(&mut mesh, &shop, point, asked).await;
    }
    assert_paid_back(&mesh, &shop, &post, refunds::POINTS.len(), 9900).await;
    let ended = "SELECT count(*) FROM orders WHERE payment_state = 'REFUNDED' AND fulfilment_state = 'ENDED'";
    assert_eq!(count(mesh.billing(), ended).await, refunds::POINTS.len());
}

#[tokio::test]
async fn a_kill_between_the_end_of_a_subscription_and_its_refund_ends_it_and_pays_back_once() {
    let (shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = selling(&shop, &post).await;
    // A withdrawal from a subscription ends it at Stripe, then stores the refund, and then makes it.
    let points = [OPERATION, &[billing::REFUND_WRITTEN]].concat();
    for point in points.iter().copied() {
        let customer = Customer::new(point);
        let growth = json!({"plan": "PLAN_GROWTH", "term": "TERM_MONTHLY"});
        let wish = json!({"subscription": growth, "terms_version": "1", "start_at_once": true});
        let checkout = customer.ask(mesh.door, "/v1/checkout-sessions", "buy", &wish).await;
        shop.pay(checkout.str("/stripe_checkout_session_id"), &customer.name, &customer.email);
        rest(&mesh, &shop).await;
        let shown = customer.see(mesh.door, "/v1/subscription/withdrawal").await;
        let confirm = json!({"etag": shown.str("/offer/etag")});
        let asked = customer.ask(mesh.door, "/v1/subscription:withdraw", "withdraw", &confirm);
        while_killed(&mut mesh, &shop, point, asked).await;
    }
    assert_paid_back(&mesh, &shop, &post, points.len(), 7900).await;
    let ended = "SELECT count(*) FROM subscriptions WHERE state = 'CANCELED'";
    assert_eq!(count(mesh.billing(), ended).await, points.len());
}
