//! `SettleWithdrawal`: a retry continues at the step where the last attempt failed, and the money is paid back once.

use levqor_proto_billing::v1::{
    ChangeSubscriptionRequest, SettleWithdrawalRequest, Withdrawal,
    subscription::{Plan, Term},
    withdrawal::State,
};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::Code;

use crate::support::{Shop, ada, busy, event, invoices, reason, refused, subscription_now};

const DELETE: &str = "/v1/subscriptions/sub_1";

/// A withdrawal that was not sent to Stripe yet.
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
async fn after_a_crash_each_finished_step_is_recognised_and_not_repeated() {
    let (shop, made) = stated().await;
    let done = "stripe_operations WHERE kind = 'SUBSCRIPTION_END' AND state = 'DONE'";
    // Stripe did not end it.
    assert_eq!(refused(shop.settle(&made).await).code(), Code::Unavailable);
    assert_eq!((shop.bench.count(done).await, shop.given_back().await), (0, 0), "first it ends");
    // It has ended, and its end is not stored. Then Stripe does not answer.
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
async fn a_charge_after_the_statement_is_paid_back_too() {
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

impl Shop {
    /// Stripe says this of the dispute about the first payment for Ada's subscription.
    async fn tell_decision(&self, status: &str) {
        self.tell_of_dispute(("dp_1", "pi_1", "cus_1"), status).await;
    }

    /// Stripe says this of a dispute about a payment of a customer.
    async fn tell_of_dispute(&self, (dispute, payment, customer): (&str, &str, &str), status: &str) {
        let said = json!({
            "id": dispute, "amount": 7900, "currency": "gbp", "status": status, "reason": "general",
            "charge": {"id": "ch_1", "customer": customer}, "payment_intent": payment, "livemode": false,
        });
        self.answer("GET", &format!("/v1/disputes/{dispute}"), 200, said.clone()).await;
        let id = format!("evt_{dispute}_{status}");
        self.bench.process(&event(&id, "charge.dispute.updated", &said)).await;
    }
}

#[tokio::test]
async fn a_withdrawal_waits_for_a_disputed_payment_and_pays_it_back_once_we_win() {
    let (shop, made) = stated().await;
    for (status, state, back) in [("under_review", State::Waiting, 0), ("won", State::Requested, 7900)] {
        shop.ended_at_stripe().await;
        shop.tell_decision(status).await;
        for _ in 0..2 {
            assert_eq!(shop.settle(&made).await.expect("settled"), state, "{status}");
        }
        assert_eq!(shop.given_back().await, back, "{status}");
    }
}

#[tokio::test]
async fn a_withdrawal_of_amount_0_waits_for_a_later_disputed_charge() {
    for (decision, state, back) in [("won", State::Requested, 7900), ("lost", State::Completed, 0)] {
        let shop = Shop::subscribed(json!({"object": "list", "data": []})).await;
        shop.answer("DELETE", DELETE, 429, busy()).await;
        let etag = shop.offer_of_subscription().await.etag;
        let made = shop.withdraw_subscription(&ada(), &etag).await.expect("withdrawn");
        assert_eq!(made.state(), State::Completed);
        assert_eq!(made.amount.as_ref().expect("an amount").minor_units, 0);
        shop.put_off("SettleWithdrawal").await;
        for (status, state, back) in [("under_review", State::Waiting, 0), (decision, state, back)] {
            shop.ended_at_stripe().await;
            shop.tell_decision(status).await;
            for _ in 0..2 {
                assert_eq!(shop.settle(&made).await.expect("settled"), state, "{decision}, {status}");
            }
            assert_eq!(shop.given_back().await, back, "{decision}, {status}");
        }
    }
}

#[tokio::test]
async fn a_decision_that_comes_while_it_is_settled_is_not_missed() {
    let (shop, made) = stated().await;
    shop.ended_at_stripe().await;
    shop.tell_decision("under_review").await;
    shop.stripe.reset().await;
    // That it has ended, and then its current state, which is asked for after the amount to pay back was decided.
    shop.answer_once("GET", DELETE, 200, subscription_now("canceled")).await;
    shop.answer_late("GET", DELETE, subscription_now("canceled")).await;
    shop.answer("GET", "/v1/invoices", 200, invoices()).await;
    shop.answer("POST", "/v1/refunds", 429, busy()).await;
    let decision = async {
        eventually("the settlement asks for the current state", || async {
            (shop.asked("GET", DELETE).await.len() >= 2).then_some(())
        })
        .await;
        shop.tell_decision("won").await;
    };
    let (settled, ()) = Box::pin(futures_util::future::join(shop.settle(&made), decision)).await;
    settled.expect("settled");
    eventually("the money goes back", || async { (shop.given_back().await == 7900).then_some(()) }).await;
}

#[tokio::test]
async fn a_decision_is_about_the_subscriptions_of_its_customer() {
    let (shop, made) = stated().await;
    shop.ended_at_stripe().await;
    shop.tell_decision("under_review").await;
    assert_eq!(shop.settle(&made).await.expect("settled"), State::Waiting);
    shop.tell_of_dispute(("dp_2", "pi_2", "cus_2"), "lost").await;
    let woken = "runtime.work WHERE idempotency_key LIKE 'settle_withdrawal:%:dp_2'";
    assert_eq!(shop.bench.count(woken).await, 0, "the decision is about another customer");
    // An erasure leaves no customer.
    shop.bench.execute("UPDATE subscriptions SET stripe_customer_id = NULL").await;
    shop.ended_at_stripe().await;
    shop.tell_decision("won").await;
    eventually("the money goes back", || async { (shop.given_back().await == 7900).then_some(()) }).await;
}

#[tokio::test]
async fn if_stripe_refuses_to_end_it_operators_get_a_notice_and_the_payment_is_refunded() {
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
