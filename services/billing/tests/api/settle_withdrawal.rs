//! `SettleWithdrawal`: a retry continues at the step where the last attempt failed, and the money is paid back once.

use levqor_proto_billing::v1::{
    ChangeSubscriptionRequest, SettleWithdrawalRequest, Withdrawal,
    subscription::{Plan, Term},
    withdrawal::State,
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Shop, ada, busy, event, invoices, reason, refused, subscription_now};

const DELETE: &str = "/v1/subscriptions/sub_1";

/// A withdrawal that Stripe has not been told about.
async fn stated() -> (Shop, Withdrawal) {
    stated_in(Shop::subscribed(invoices()).await).await
}

async fn stated_in(shop: Shop) -> (Shop, Withdrawal) {
    let etag = shop.offer_of_subscription().await.etag;
    shop.busy_at_the_end().await;
    let made = shop.withdraw_subscription(&ada(), &etag).await.expect("withdrawn");
    // Only the test settles it.
    shop.put_off("SettleWithdrawal").await;
    (shop, made)
}

#[tokio::test]
async fn each_step_is_found_done_after_a_crash_and_nothing_is_done_twice() {
    let (shop, made) = stated().await;
    let done = "stripe_operations WHERE kind = 'SUBSCRIPTION_END' AND state = 'DONE'";
    // Stripe did not end it.
    assert_eq!(refused(shop.settle(&made).await).code(), Code::Unavailable);
    assert_eq!((shop.bench.count(done).await, shop.given_back().await), (0, 0), "first it ends");
    // It has ended, and nobody has stored that. Then Stripe is away.
    shop.stripe.reset().await;
    shop.answer("GET", DELETE, 200, subscription_now("canceled")).await;
    shop.answer("GET", "/v1/invoices", 429, busy()).await;
    assert_eq!(refused(shop.settle(&made).await).code(), Code::Unavailable);
    assert_eq!((shop.bench.count(done).await, shop.given_back().await), (1, 0));
    assert!(shop.asked("DELETE", DELETE).await.is_empty(), "what has ended is not ended again");
    // The refund is stored, and again.
    shop.ended_at_stripe().await;
    for _ in 0..3 {
        assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    }
    assert_eq!((shop.bench.count("refunds").await, shop.given_back().await), (1, 7900));
    assert_eq!(shop.bench.count("stripe_operations WHERE kind = 'REFUND'").await, 1);
}

#[tokio::test]
async fn settlements_at_once_store_one_refund() {
    let (shop, made) = stated().await;
    shop.ended_at_stripe().await;
    let all = futures_util::future::join_all((0..4).map(|_| shop.settle(&made))).await;
    assert!(all.iter().any(Result::is_ok), "{all:?}");
    assert_eq!((shop.bench.count("refunds").await, shop.given_back().await), (1, 7900));
}

#[tokio::test]
async fn what_was_charged_after_the_statement_goes_back_too() {
    let (shop, made) = stated().await;
    shop.ended_at_stripe().await;
    shop.stripe.reset().await;
    shop.answer("GET", DELETE, 200, subscription_now("canceled")).await;
    let mut paid = invoices();
    let mut second = paid["data"][0].clone();
    second["payments"]["data"][0]["payment"]["payment_intent"] = json!("pi_2");
    paid["data"].as_array_mut().expect("a list").push(second);
    shop.answer("GET", "/v1/invoices", 200, paid).await;
    shop.answer("POST", "/v1/refunds", 429, busy()).await;
    assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    assert_eq!((shop.bench.count("refunds").await, shop.given_back().await), (2, 15_800));
}

#[tokio::test]
async fn a_change_that_stripe_has_not_answered_is_not_made_after_the_statement() {
    let shop = Shop::subscribed(invoices()).await;
    shop.answer("POST", DELETE, 429, busy()).await;
    let (plan, term) = (Plan::Business.into(), Term::Monthly.into());
    let change = ada().request(ChangeSubscriptionRequest { plan, term, add_ons: Vec::new() });
    refused(shop.subscriptions().change_subscription(change).await);
    assert_eq!(shop.asked("POST", DELETE).await.len(), 1);
    let (shop, made) = stated_in(shop).await;
    shop.ended_at_stripe().await;
    assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    shop.bench.advance(chrono::TimeDelta::seconds(31)).await;
    shop.finish_operations().await;
    assert!(shop.asked("POST", DELETE).await.is_empty());
    let given_up = "stripe_operations WHERE kind = 'SUBSCRIPTION_UPDATE' AND state = 'REFUSED'";
    assert_eq!(shop.bench.count(given_up).await, 1);
}

#[tokio::test]
async fn a_part_of_the_payment_goes_back_once_however_often_it_is_settled() {
    let shop = Shop::subscribed(invoices()).await;
    // The right of withdrawal gives a part where the customer asked for a start at once. The deferred call must find it so, too.
    for statement in [
        "CREATE FUNCTION a_part() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN NEW.rule := ''RIGHT''; NEW.amount_minor := 5000; RETURN NEW; END'",
        "CREATE TRIGGER a_part BEFORE INSERT ON withdrawals FOR EACH ROW EXECUTE FUNCTION a_part()",
    ] {
        shop.bench.service.execute(statement).await;
    }
    let (shop, made) = stated_in(shop).await;
    shop.ended_at_stripe().await;
    for _ in 0..2 {
        assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    }
    assert_eq!((shop.bench.count("refunds").await, shop.given_back().await), (1, 5000));
}

#[tokio::test]
async fn what_a_bank_has_is_waited_for_and_goes_back_once_it_decides_for_us() {
    let (shop, made) = stated().await;
    for (n, status, state, back) in
        [(8, "under_review", State::Waiting, 0), (9, "won", State::Requested, 7900)]
    {
        shop.stripe.reset().await;
        let dispute = json!({
            "id": "dp_1", "amount": 7900, "currency": "gbp", "status": status, "reason": "general",
            "charge": {"id": "ch_1", "customer": null}, "payment_intent": "pi_1", "livemode": false,
        });
        shop.answer("GET", "/v1/disputes/dp_1", 200, dispute.clone()).await;
        shop.answer("GET", DELETE, 200, subscription_now("canceled")).await;
        shop.answer("GET", "/v1/invoices", 200, invoices()).await;
        shop.answer("POST", "/v1/refunds", 429, busy()).await;
        shop.bench.process(&event(&format!("evt_{n}"), "charge.dispute.updated", &dispute)).await;
        for _ in 0..2 {
            assert_eq!(shop.settle(&made).await.expect("settled"), state, "{status}");
        }
        assert_eq!(shop.given_back().await, back, "{status}");
    }
}

#[tokio::test]
async fn if_stripe_refuses_to_end_it_operators_are_told_and_the_money_goes_back() {
    let (shop, made) = stated().await;
    shop.stripe.reset().await;
    shop.answer("GET", DELETE, 200, subscription_now("active")).await;
    shop.answer("DELETE", DELETE, 400, json!({"error": {"type": "invalid_request_error"}})).await;
    shop.answer("GET", "/v1/invoices", 200, invoices()).await;
    shop.answer("POST", "/v1/refunds", 429, busy()).await;
    assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    assert_eq!((shop.notices().await, shop.given_back().await), (2, 7900));
}

#[tokio::test]
async fn there_is_nothing_to_settle_without_a_withdrawal() {
    let shop = Shop::open().await;
    let withdrawal_id = crate::support::NO_ORDER.to_owned();
    let request = Caller::service("billing", "billing").request(SettleWithdrawalRequest { withdrawal_id });
    let status = refused(shop.withdrawals().settle_withdrawal(request).await);
    assert_eq!(reason(&status), "WITHDRAWAL_NOT_FOUND");
}
