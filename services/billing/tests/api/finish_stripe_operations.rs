//! `FinishStripeOperations`: operations at Stripe that a crash or an outage interrupted are finished, under the same key.

use levqor_proto_billing::v1::{
    CancelSubscriptionRequest, ChangeSubscriptionRequest, CreateCheckoutSessionRequest,
    FinishStripeOperationsRequest, FinishStripeOperationsResponse, ResumeSubscriptionRequest,
    create_checkout_session_request::{DoneForYou, Item},
    order::{PaymentState, Tier},
    subscription::{Plan, Term},
};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Shop, TERMS, ada, busy, reason, refused, subscription};

/// Makes each operation a day older, so that Stripe may have forgotten its key.
const A_DAY_AGO: &str = "UPDATE stripe_operations
     SET create_time = create_time - interval '1 day', update_time = update_time - interval '1 day'";

/// Copies the customer to be made: 20 more, which is a whole batch, have waited for longer than all other operations.
const A_BATCH_THAT_FAILS: &str = "INSERT INTO stripe_operations
     SELECT older.* FROM stripe_operations AS one, generate_series(1, 20) AS n,
         jsonb_populate_record(one, jsonb_build_object(
             'operation_id', gen_random_uuid(), 'update_time', one.update_time - n * interval '1 minute'
         )) AS older
     WHERE one.kind = 'CUSTOMER' AND one.state = 'REQUESTED'";

impl Shop {
    pub(crate) async fn finish_operations(&self) -> FinishStripeOperationsResponse {
        let request = Caller::service("billing", "billing").request(FinishStripeOperationsRequest {});
        self.checkout().finish_stripe_operations(request).await.expect("done").into_inner()
    }

    /// Stripe answers again, and the only operation of this kind is finished under the key and with the form of its first try.
    async fn finished_later(&self, kind: &str, at: &str, answer: Value) {
        let before = self.asked("POST", at).await;
        self.stripe.reset().await;
        self.answer("POST", at, 200, answer).await;
        self.bench.advance(chrono::TimeDelta::seconds(31)).await;
        // The schedule may have been faster.
        self.finish_operations().await;
        let done = format!("stripe_operations WHERE kind = '{kind}' AND state = 'DONE'");
        eventually("the operation is done", || async { (self.bench.count(&done).await == 1).then_some(()) })
            .await;
        let asked = self.asked("POST", at).await;
        assert!(!asked.is_empty() && asked.iter().all(|one| *one == before[0]), "{asked:?}");
    }

    /// Leaves an unfinished checkout: Stripe was asked for it, and the answer never came, as after a crash.
    async fn left(&self) -> CreateCheckoutSessionRequest {
        self.left_by(&ada()).await
    }

    /// The same, of this caller.
    async fn left_by(&self, caller: &Caller) -> CreateCheckoutSessionRequest {
        let item = Some(Item::Dfy(DoneForYou { tier: Tier::Starter.into() }));
        let request =
            CreateCheckoutSessionRequest { item, terms_version: TERMS.to_owned(), ..Default::default() };
        let keyed = caller.with_key("left");
        refused(self.checkout().create_checkout_session(keyed.request(request.clone())).await);
        request
    }
}

#[tokio::test]
async fn a_requested_session_is_made_once_under_its_key_and_the_caller_finds_it() {
    let shop = Shop::open().await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/customers", 200, json!({"id": "cus_1", "email": "ada@example.com"})).await;
    shop.answer("POST", "/v1/checkout/sessions", 429, json!({"error": {"type": "invalid_request_error"}}))
        .await;
    let request = shop.left().await;
    let before = shop.asked("POST", "/v1/checkout/sessions").await;
    assert_eq!(shop.finish_operations().await.finished, 0, "whoever asked may still be at work");
    shop.stripe.reset().await;
    shop.sell().await;
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    // The schedule may have been faster.
    shop.finish_operations().await;
    eventually("the order has its session", || async {
        (shop.bench.order().await.stripe_checkout_session_id == "cs_1").then_some(())
    })
    .await;
    let asked = shop.asked("POST", "/v1/checkout/sessions").await;
    assert!(asked.iter().all(|one| *one == before[0]), "the same form, under the same key: {asked:?}");
    let keyed = ada().with_key("left");
    let found = shop.checkout().create_checkout_session(keyed.request(request)).await.expect("it is there");
    assert_eq!(found.into_inner().url, "https://checkout.stripe.com/c/cs_1");
    assert_eq!(shop.asked("POST", "/v1/checkout/sessions").await, asked, "and Stripe is not asked again");
}

#[tokio::test]
async fn a_refusal_ends_the_order() {
    let shop = Shop::open().await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/customers", 200, json!({"id": "cus_1", "email": "ada@example.com"})).await;
    let refusal = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    shop.answer("POST", "/v1/checkout/sessions", 400, refusal).await;
    shop.left().await;
    assert_eq!(shop.bench.order().await.payment_state(), PaymentState::Cancelled);
    let refused =
        "stripe_operations WHERE state = 'REFUSED' AND failure = 'resource_missing' AND form IS NULL";
    assert_eq!(shop.bench.count(refused).await, 1);
}

#[tokio::test]
async fn a_requested_customer_is_made_under_its_key() {
    let shop = Shop::open().await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/customers", 429, busy()).await;
    shop.left().await;
    shop.finished_later("CUSTOMER", "/v1/customers", json!({"id": "cus_1", "email": "ada@example.com"}))
        .await;
    assert_eq!(shop.bench.count("customers WHERE stripe_customer_id = 'cus_1'").await, 1);
}

#[tokio::test]
async fn an_existing_customer_is_found_by_its_label_after_its_key_has_expired() {
    let shop = Shop::open().await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/customers", 429, busy()).await;
    shop.left().await;
    let id: String = sqlx::query_scalar("SELECT customer_id::text FROM customers")
        .fetch_one(shop.bench.service.db.pool())
        .await
        .expect("a customer");
    shop.stripe.reset().await;
    let made = json!({"id": "cus_9", "email": "ada@example.com", "metadata": {"customer_id": id}});
    shop.answer("GET", "/v1/customers", 200, json!({"object": "list", "data": [made]})).await;
    shop.bench.execute(A_DAY_AGO).await;
    // The schedule may have been faster.
    shop.finish_operations().await;
    eventually("the customer is found", || async {
        let found = shop.bench.count("customers WHERE stripe_customer_id = 'cus_9'").await;
        (found == 1).then_some(())
    })
    .await;
    assert!(shop.asked("POST", "/v1/customers").await.is_empty(), "no second customer is made");
}

#[tokio::test]
async fn a_requested_change_of_a_subscription_is_made_under_its_key() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 429, busy()).await;
    refused(shop.subscriptions().cancel_subscription(ada().request(CancelSubscriptionRequest {})).await);
    shop.finished_later("SUBSCRIPTION_UPDATE", "/v1/subscriptions/sub_1", json!({"id": "sub_1"})).await;
}

#[tokio::test]
async fn a_checkout_that_is_older_than_its_key_is_not_made_any_more() {
    let shop = Shop::open().await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/customers", 200, json!({"id": "cus_1", "email": "ada@example.com"})).await;
    shop.answer("POST", "/v1/checkout/sessions", 429, busy()).await;
    shop.left().await;
    shop.stripe.reset().await;
    shop.sell().await;
    shop.bench.execute(A_DAY_AGO).await;
    // The schedule may have been faster.
    shop.finish_operations().await;
    eventually("the order has ended", || async {
        (shop.bench.order().await.payment_state() == PaymentState::Cancelled).then_some(())
    })
    .await;
    let refused = "stripe_operations WHERE kind = 'CHECKOUT' AND state = 'REFUSED' AND failure = 'HTTP 408'";
    assert_eq!(shop.bench.count(refused).await, 1);
    assert!(shop.asked("POST", "/v1/checkout/sessions").await.is_empty(), "nobody could use the session");
}

#[tokio::test]
async fn operations_that_fail_each_time_do_not_keep_the_others_waiting() {
    let shop = Shop::open_at(MockServer::start().await).await;
    // Stripe makes Bob a customer, and then refuses (403) to make any other.
    shop.answer_once("POST", "/v1/customers", 200, json!({"id": "cus_2", "email": "bob@example.com"})).await;
    shop.answer("POST", "/v1/customers", 403, busy()).await;
    shop.answer_once("POST", "/v1/checkout/sessions", 429, busy()).await;
    shop.sell().await;
    let bob = Caller::customer("bob", "bob@example.com");
    shop.left_by(&bob).await;
    shop.left().await;
    shop.bench.execute(A_BATCH_THAT_FAILS).await;
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    eventually("Bob's session is made", || async {
        shop.finish_operations().await;
        (shop.bench.order().await.stripe_checkout_session_id == "cs_1").then_some(())
    })
    .await;
    let waiting = "stripe_operations WHERE kind = 'CUSTOMER' AND state = 'REQUESTED' AND attempt = 0";
    assert_eq!(shop.bench.count(waiting).await, 21, "they go on, under their keys");
}

#[tokio::test]
async fn an_older_request_is_not_carried_out_after_a_newer_one() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    shop.answer_once("POST", "/v1/subscriptions/sub_1", 429, busy()).await;
    shop.answer("POST", "/v1/subscriptions/sub_1", 200, json!({"id": "sub_1"})).await;
    let keyed = ada().with_key("change");
    let (plan, term) = (Plan::Business.into(), Term::Monthly.into());
    let change = || keyed.request(ChangeSubscriptionRequest { plan, term, add_ons: Vec::new() });
    let status = refused(shop.subscriptions().change_subscription(change()).await);
    assert_eq!(reason(&status), "STRIPE_UNAVAILABLE");
    let request = ada().request(CancelSubscriptionRequest {});
    shop.subscriptions().cancel_subscription(request).await.expect("done");
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    shop.finish_operations().await;
    let status = refused(shop.subscriptions().change_subscription(change()).await);
    assert_eq!(reason(&status), "STRIPE_REFUSED", "the same request again is too late");
    let asked = shop.asked("POST", "/v1/subscriptions/sub_1").await;
    assert!(asked.len() == 2 && asked[1].0 == "cancel_at_period_end=true", "{asked:?}");
    let given_up = "stripe_operations WHERE state = 'REFUSED' AND failure = 'replaced by a newer request'";
    assert_eq!(shop.bench.count(given_up).await, 1);
}

#[tokio::test]
async fn a_request_without_a_change_replaces_one_that_stripe_has_not_answered() {
    const SUBSCRIPTION: &str = "/v1/subscriptions/sub_1";
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    for (status, body) in [(429, busy()), (200, json!({"id": "sub_1"}))].into_iter().cycle().take(4) {
        shop.answer_once("POST", SUBSCRIPTION, status, body).await;
    }
    let cancel = ada().request(CancelSubscriptionRequest {});
    refused(shop.subscriptions().cancel_subscription(cancel).await);
    let resume = ada().request(ResumeSubscriptionRequest {});
    shop.subscriptions().resume_subscription(resume).await.expect("it is renewed");
    let to = |plan: Plan| {
        let (plan, term) = (plan.into(), Term::Monthly.into());
        ada().request(ChangeSubscriptionRequest { plan, term, add_ons: Vec::new() })
    };
    refused(shop.subscriptions().change_subscription(to(Plan::Business)).await);
    shop.subscriptions().change_subscription(to(Plan::Growth)).await.expect("it stays");
    // Stripe has answered all: a wish that changes nothing is refused again.
    let status = refused(shop.subscriptions().change_subscription(to(Plan::Growth)).await);
    assert_eq!(reason(&status), "NOTHING_CHANGES");
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    shop.finish_operations().await;
    let asked = shop.asked("POST", SUBSCRIPTION).await;
    let forms: Vec<_> = asked.iter().map(|(form, _)| form.as_str()).collect();
    let [_, resumed, _, stays] = forms.as_slice() else { panic!("{forms:?}") };
    assert_eq!(*resumed, "cancel_at_period_end=false");
    assert!(stays.contains("items[0][price]=price_growth"), "{stays}");
    assert_eq!(shop.bench.count("stripe_operations WHERE state = 'REFUSED'").await, 2);
}
