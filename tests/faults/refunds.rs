//! Money is paid back once, and never more than was paid: after a kill between any two writes of a refund, and when staff, a
//! person in Stripe's dashboard and the customer's bank give it back at the same time.

use chrono::TimeDelta;
use levqor_billing::fail_point as billing;
use levqor_runtime::{
    fail_point::FailPoint,
    testing::{Caller, eventually},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{
    fault_seed, get,
    mail_provider::MailProvider,
    post_json,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::{
    fakes::stripe::{Buyer, Endpoint, KEY, Stripe},
    harness::{Answer, Mesh as InProcess},
    roles::Role,
    stripe::SECRET,
};

/// The fail points that a refund reaches.
pub(super) const POINTS: &[FailPoint] = &[
    billing::REFUND_WRITTEN,
    billing::OPERATION_STORED,
    billing::OPERATION_ANSWERED,
    billing::OPERATION_WRITTEN,
    billing::OPERATION_SETTLED,
];
/// The price of a Starter order, in pence.
const PAID: i64 = 9900;
/// How many orders are refunded by several parties at the same time.
const RACES: usize = 8;

/// Staff refund this amount of an order (0: everything that was not refunded yet). They repeat the request until it gets a final
/// answer.
async fn refund(mesh: std::net::SocketAddr, order: &str, amount: i64, key: &str) -> Answer {
    let body = json!({"amount_minor_units": amount, "reason": "It came too late."});
    let path = format!("/v1/orders/{order}:refund");
    eventually("the refund is answered", || async {
        let answer = post_json(mesh, &Caller::staff(), &path, key, &body).await?;
        assert!(matches!(answer.status, 200 | 400 | 409 | 422 | 503), "{}", answer.text);
        // 409: the same request is still under way.
        (answer.status != 503 && answer.str("/reason") != "IDEMPOTENCY_KEY_IN_FLIGHT").then_some(answer)
    })
    .await
}

#[tokio::test]
async fn a_kill_between_any_two_writes_of_a_refund_makes_it_once() {
    let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut mesh = Mesh::start(Plan::new(1, &shop, &post).await).await;
    shop.deliver_to(mesh.door);
    shop.sell();
    shop.all_taken().await;
    mesh.rest().await;
    let orders = get(mesh.door, &Caller::staff(), "/v1/orders").await.expect("an answer");
    let (order, door) = (orders.str("/orders/0/order_id").to_owned(), mesh.door);
    let n = mesh.first(Role::Billing);
    for (point, amount) in POINTS.iter().copied().zip(1..) {
        mesh.kill(n);
        mesh.spawn(n, Some(point));
        let asked = refund(door, &order, amount * 100, point.name());
        let killed = async {
            mesh.killed_itself(n, point).await;
            mesh.spawn(n, None);
            mesh.advance(TimeDelta::minutes(1)).await;
        };
        let (answer, ()) = tokio::join!(asked, killed);
        assert_eq!(answer.status, 200, "{}: {}", point.name(), answer.text);
        mesh.rest().await;
        shop.all_taken().await;
    }
    assert_eq!(refund(door, &order, PAID - 1499, "too-much").await.status, 400, "1,500 went back before");
    assert_eq!(refund(door, &order, 0, "the-rest").await.status, 200);
    assert_eq!(refund(door, &order, 0, "nothing").await.str("/reason"), "NOT_REFUNDABLE");
    mesh.rest().await;
    shop.all_taken().await;
    mesh.rest().await;
    let mut amounts = shop.refunded();
    amounts.sort_unstable();
    assert_eq!(amounts, [100, 200, 300, 400, 500, PAID - 1500], "each refund is at Stripe once");
    assert_refunded(&mesh, POINTS.len() + 1).await;
    post.assert_told(&mesh).await;
}

/// Asserts that exactly this number of refunds succeeded, that the customer got one mail about each, and that no operation is
/// unfinished.
async fn assert_refunded(mesh: &Mesh, refunds: usize) {
    let count = async |db: &levqor_runtime::db::Db, query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(db.pool()).await.expect("a count")
    };
    let refunds = i64::try_from(refunds).expect("not so many");
    let back =
        "SELECT count(*) FROM refunds WHERE state = 'SUCCEEDED' AND told AND stripe_refund_id IS NOT NULL";
    assert_eq!(count(mesh.billing(), back).await, refunds);
    assert_eq!(count(mesh.billing(), "SELECT count(*) FROM refunds").await, refunds);
    let left = "SELECT count(*) FROM stripe_operations WHERE state <> 'DONE'";
    assert_eq!(count(mesh.billing(), left).await, 0);
    let order =
        "SELECT count(*) FROM orders WHERE payment_state = 'REFUNDED' AND refunded_minor = paid_minor";
    assert_eq!(count(mesh.billing(), order).await, 1);
    let mails = "SELECT count(*) FROM messages WHERE template = 'refund_made'";
    assert_eq!(count(mesh.notifications(), mails).await, refunds);
}

#[tokio::test]
async fn staff_the_dashboard_and_the_bank_at_once_take_no_more_than_came_in() {
    let stripe = Stripe::start();
    let mesh = InProcess::start_with(&[("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &stripe.url())]).await;
    stripe.world().register(Endpoint::new(&format!("{}/webhooks/stripe", mesh.url), SECRET, 0));
    for _ in 0..RACES {
        stripe.buy("starter", Buyer { name: "Ada", email: "ada@example.com" });
    }
    told(&stripe, &mesh).await;
    let orders = mesh.staff().get("/v1/orders").await;
    assert_eq!(orders.list("orders").len(), RACES);
    let mut dice = StdRng::seed_from_u64(fault_seed());
    let races = orders.list("orders").iter().map(|order| race(&stripe, &mesh, order, dice.random()));
    futures_util::future::join_all(races).await;
    told(&stripe, &mesh).await;
    for charge in stripe.world().of_kind("charge") {
        let (back, paid) = (charge["amount_refunded"].as_i64(), charge["amount"].as_i64());
        assert!(back <= paid, "{charge}");
    }
    assert_rows_are_stripes(&stripe, &mesh).await;
    mesh.finish().await;
}

/// Staff, the dashboard and the bank give the money of one order back at the same time. The amounts are random.
async fn race(stripe: &Stripe, mesh: &InProcess, order: &Value, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let text = |field: &str| order[field].as_str().expect("a text").to_owned();
    let (id, session) = (text("order_id"), text("stripe_checkout_session_id"));
    let intent = stripe.world().get(&session)["payment_intent"].as_str().expect("a payment").to_owned();
    let door: std::net::SocketAddr =
        mesh.url.trim_start_matches("http://").parse().expect("an address of the gateway");
    let amounts: [i64; 3] = std::array::from_fn(|_| dice.random_range(1000..PAID));
    let keys = ["one", "two", "three"].map(|key| format!("{key}:{id}"));
    let staff = amounts.iter().zip(&keys).map(|(amount, key)| refund(door, &id, *amount, key));
    let (dashboard, is_disputed) = (dice.random_range(1000..PAID), dice.random());
    let elsewhere = async {
        // Stripe refuses this refund if too little is left.
        drop(stripe.try_post("/v1/refunds", json!({"payment_intent": intent, "amount": dashboard})));
        tokio::task::yield_now().await;
        let mut world = stripe.world();
        if is_disputed && world.is_disputable(&intent) {
            world.dispute(&intent);
        }
    };
    futures_util::join!(futures_util::future::join_all(staff), elsewhere);
}

/// Waits until Stripe has delivered all its events, and the mesh has no work left.
async fn told(stripe: &Stripe, mesh: &InProcess) {
    eventually("Stripe has told all", || async { (stripe.world().under_way() == 0).then_some(()) }).await;
    mesh.settle().await;
    eventually("Stripe has told all", || async { (stripe.world().under_way() == 0).then_some(()) }).await;
    mesh.settle().await;
}

/// Asserts that our succeeded refunds are those that Stripe has, that none waits, and that refunds and disputes of an order
/// together never exceed the paid amount.
async fn assert_rows_are_stripes(stripe: &Stripe, mesh: &InProcess) {
    let ours = "SELECT stripe_refund_id, amount_minor FROM refunds WHERE state = 'SUCCEEDED' ORDER BY 1";
    let ours: Vec<(String, i64)> =
        sqlx::query_as(ours).fetch_all(mesh.billing_db().pool()).await.expect("refunds");
    let mut theirs: Vec<_> = stripe
        .world()
        .of_kind("refund")
        .map(|refund| {
            let id = refund["id"].as_str().expect("an id").to_owned();
            (id, refund["amount"].as_i64().expect("an amount"))
        })
        .collect();
    theirs.sort();
    assert_eq!(ours, theirs);
    let wrong = "SELECT count(*) FROM orders o
         LEFT JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS back FROM refunds
             WHERE stripe_payment_intent_id = o.stripe_payment_intent_id AND state = 'SUCCEEDED') r ON true
         LEFT JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS taken FROM disputes
             WHERE stripe_payment_intent_id = o.stripe_payment_intent_id) d ON true
         WHERE r.back + d.taken > o.paid_minor OR r.back <> o.refunded_minor
            OR (d.taken > 0) <> (o.dispute_state = 'OPEN')";
    let wrong: i64 = sqlx::query_scalar(wrong).fetch_one(mesh.billing_db().pool()).await.expect("a count");
    assert_eq!(wrong, 0, "an order says otherwise");
    let waiting = "SELECT count(*) FROM refunds WHERE state IN ('REQUESTED', 'PENDING')";
    let waiting: i64 =
        sqlx::query_scalar(waiting).fetch_one(mesh.billing_db().pool()).await.expect("a count");
    assert_eq!(waiting, 0, "a refund waits");
}
