//! A person has at most one open session for a subscription, whatever fails in between, because each open session can be paid.

use levqor_proto_billing::v1::subscription::{AddOn, State, Term};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;
use wiremock::MockServer;

use super::{buy, growth};
use crate::support::{Shop, ada, busy, reason, refused, subscription};

const SESSIONS: &str = "/v1/checkout/sessions";
const EXPIRE: &str = "/v1/checkout/sessions/cs_1/expire";
/// Makes 50 newer subscriptions of each one, which have ended.
const FIFTY_ENDED: &str = "INSERT INTO subscriptions
     SELECT ended.* FROM subscriptions, generate_series(1, 50) AS n,
         jsonb_populate_record(subscriptions, jsonb_build_object(
             'subscription_id', gen_random_uuid(), 'state', 'ABANDONED', 'stripe_checkout_session_id', NULL,
             'stripe_subscription_id', NULL, 'create_time', create_time + n * interval '1 microsecond'
         )) AS ended";

impl Shop {
    /// The state of the person's subscriptions: how many wait for their checkout, and how many are abandoned.
    async fn waiting_and_abandoned(&self) -> (i64, i64) {
        let waiting = self.bench.count("subscriptions WHERE state = 'PENDING'").await;
        (waiting, self.bench.count("subscriptions WHERE state = 'ABANDONED'").await)
    }

    /// Half a minute later, the schedule has finished what can be finished.
    async fn later(&self) {
        self.bench.advance(chrono::TimeDelta::seconds(31)).await;
        self.finish_operations().await;
    }

    /// Ada wants this under a key. Returns why she does not get it.
    async fn refused_to(&self, caller: &Caller, term: Term) -> (Code, String) {
        let status = refused(self.check_out(caller, buy(growth(term, &[]))).await);
        (status.code(), reason(&status))
    }
}

#[tokio::test]
async fn a_session_without_an_answer_of_stripe_is_given_up_for_the_next_one() {
    let shop = Shop::open_at(MockServer::start().await).await;
    let customer = json!({"id": "cus_1", "object": "customer", "email": "ada@example.com"});
    shop.answer("POST", "/v1/customers", 200, customer).await;
    shop.answer_once("POST", SESSIONS, 429, busy()).await;
    shop.sell().await;
    let first = ada().with_key("first");
    assert_eq!(shop.refused_to(&first, Term::Monthly).await.1, "STRIPE_UNAVAILABLE");
    shop.check_out(&ada().with_key("second"), buy(growth(Term::Yearly, &[]))).await.expect("a session");
    assert_eq!(shop.refused_to(&first, Term::Monthly).await.1, "STRIPE_REFUSED");
    shop.later().await;
    assert_eq!(shop.asked("POST", SESSIONS).await.len(), 2, "one had no answer");
    assert_eq!(shop.waiting_and_abandoned().await, (1, 1));
    let given_up = "stripe_operations WHERE failure = 'replaced by a newer request'";
    assert_eq!(shop.bench.count(given_up).await, 1);
}

#[tokio::test]
async fn if_the_session_that_was_left_is_finished_another_one_is_never_made() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await.expect("a session");
    let finished = json!({"error": {"type": "invalid_request_error"}});
    shop.answer("POST", EXPIRE, 400, finished).await;
    let other = ada().with_key("other");
    for _ in 0..2 {
        let expected = (Code::AlreadyExists, "ALREADY_SUBSCRIBED".to_owned());
        assert_eq!(shop.refused_to(&other, Term::Yearly).await, expected);
        shop.later().await;
    }
    assert_eq!(shop.asked("POST", SESSIONS).await.len(), 1);
    assert_eq!(shop.waiting_and_abandoned().await, (1, 1), "the first waits for its event");
}

#[tokio::test]
async fn while_an_abandoned_session_cannot_be_ended_no_other_one_is_made() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await.expect("a session");
    shop.answer("POST", EXPIRE, 429, busy()).await;
    let other = ada().with_key("other");
    for _ in 0..2 {
        assert_eq!(shop.refused_to(&other, Term::Yearly).await.1, "STRIPE_UNAVAILABLE");
        shop.later().await;
    }
    assert_eq!(shop.asked("POST", SESSIONS).await.len(), 1);
    assert_eq!(shop.waiting_and_abandoned().await, (2, 0));
}

#[tokio::test]
async fn an_abandoned_session_ends_before_another_one_is_made() {
    // The same request again, and a third wish.
    for (key, item) in
        [("other", growth(Term::Yearly, &[])), ("third", growth(Term::Monthly, &[AddOn::WhiteLabel]))]
    {
        let shop = Shop::open().await;
        shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await.expect("a session");
        shop.answer_once("POST", EXPIRE, 429, busy()).await;
        shop.answer("POST", EXPIRE, 200, json!({"id": "cs_1"})).await;
        let other = ada().with_key("other");
        assert_eq!(shop.refused_to(&other, Term::Yearly).await.1, "STRIPE_UNAVAILABLE");
        let session = shop.check_out(&ada().with_key(key), buy(item)).await.expect("a session");
        assert_eq!(session.url, "https://checkout.stripe.com/c/cs_2", "{key}");
        let requests = shop.stripe.received_requests().await.expect("recorded");
        let paths = requests.iter().filter(|request| request.method.as_str() == "POST");
        let paths: Vec<_> =
            paths.map(|request| request.url.path()).skip_while(|at| *at != SESSIONS).collect();
        assert_eq!(paths, [SESSIONS, EXPIRE, EXPIRE, SESSIONS], "{key}");
        let abandoned = if key == "third" { 2 } else { 1 };
        assert_eq!(shop.waiting_and_abandoned().await, (1, abandoned), "{key}");
    }
}

#[tokio::test]
async fn an_open_session_is_found_behind_any_number_of_newer_subscriptions_that_ended() {
    let shop = Shop::open().await;
    shop.check_out(&ada(), buy(growth(Term::Monthly, &[]))).await.expect("a session");
    shop.bench.execute(FIFTY_ENDED).await;
    shop.answer("POST", EXPIRE, 200, json!({"id": "cs_1"})).await;
    shop.check_out(&ada(), buy(growth(Term::Yearly, &[]))).await.expect("a session");
    assert_eq!(shop.asked("POST", EXPIRE).await.len(), 1, "the first session can no longer be paid");
    assert_eq!(shop.waiting_and_abandoned().await, (1, 51));
}

#[tokio::test]
async fn a_live_subscription_is_found_behind_any_number_of_newer_ones_that_ended() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    assert!(shop.subscription().await.is_some(), "reading it claims it");
    shop.bench.execute(FIFTY_ENDED).await;
    let found = shop.subscription().await.expect("a subscription");
    assert_eq!(found.state(), State::Active);
    assert_eq!(shop.refused_to(&ada(), Term::Yearly).await.1, "ALREADY_SUBSCRIBED");
}
