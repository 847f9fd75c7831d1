//! `WithdrawOrder`: the statement ends the order, and the money is paid back once, even if other calls refund the order at the
//! same time.

use levqor_proto_billing::v1::{
    OrderEvent, OrderParty,
    order::{FulfilmentState, PaymentState},
    order_event::Kind,
    withdrawal::{Rule, State},
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::Code;

use crate::{
    refund_order::at_stripe,
    support::{
        CONFIRMED, Shop, ada, answers, audited, busy, event, reason, refused, session_now, violated, with,
        without_cost,
    },
};

#[tokio::test]
async fn the_statement_ends_the_order_and_the_customer_has_a_receipt_and_the_money() {
    let (shop, order) = Shop::sold_now().await;
    let offer = shop.offer(&order).await;
    let made = shop.withdraw(&ada(), &order, &offer.etag).await.expect("withdrawn");
    assert_eq!(
        (made.state(), made.rule(), &made.statement),
        (State::Requested, Rule::Guarantee, &offer.statement)
    );
    assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
    let history = shop.bench.shown(&order.order_id).await.events;
    assert_eq!(history.iter().map(OrderEvent::kind).collect::<Vec<_>>(), [Kind::Paid, Kind::Withdrawn]);
    assert_eq!(history[1].party(), OrderParty::Customer);
    let refund = "refunds WHERE origin = 'CUSTOMER' AND state = 'REQUESTED' AND amount_minor = 9900";
    assert_eq!((shop.bench.count(refund).await, shop.notices().await), (1, 1));
    let ids = json!({"order_id": order.order_id, "withdrawal_id": made.withdrawal_id});
    assert_eq!(audited(&shop.bench, "order.withdraw").await, [ids]);
    let mails = shop.bench.messages().await;
    let receipt = mails.iter().find_map(|(_, mail)| match &mail.content {
        Some(Content::WithdrawalReceipt(receipt)) => Some(receipt),
        _ => None,
    });
    let receipt = receipt.expect("a receipt");
    assert_eq!((&receipt.statement, &receipt.reference), (&offer.statement, &order.order_id));
    assert_eq!((receipt.withdrawal_time, receipt.amount.as_ref()), (made.create_time, offer.amount.as_ref()));
    // Again, with the same etag or none: the same answer, and nothing more happens.
    for etag in [&offer.etag, ""] {
        assert_eq!(shop.withdraw(&ada(), &order, etag).await.expect("known"), made);
    }
    assert_eq!((shop.given_back().await, shop.notices().await), (9900, 1));
    assert_eq!(audited(&shop.bench, "order.withdraw").await.len(), 1);
    // Stripe tells that the money is back.
    let refund = shop.refund_of(&made).await;
    shop.tell_refund(&with(at_stripe("re_1", 9900, None), &[("metadata", json!({"refund_id": refund}))]))
        .await;
    assert_eq!(shop.bench.order().await.payment_state(), PaymentState::Refunded);
    assert_eq!(shop.made(&order).await.state(), State::Completed);
    let keys: Vec<_> = shop.bench.messages().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.iter().filter(|key| key.starts_with("refund_made:")).count(), 1);
    assert_eq!(keys.iter().filter(|key| key.starts_with("withdrawal_receipt:")).count(), 1);
}

impl Shop {
    /// Our id of the only refund of a withdrawal.
    async fn refund_of(&self, made: &levqor_proto_billing::v1::Withdrawal) -> String {
        let sql = "SELECT refund_id::text FROM withdrawal_refunds WHERE withdrawal_id::text = $1";
        let id = sqlx::query_scalar(sql).bind(&made.withdrawal_id);
        id.fetch_one(self.bench.service.db.pool()).await.expect("a refund")
    }

    /// Stripe says this of the dispute about the order's payment.
    async fn tell_dispute(&self, status: &str) {
        let dispute = json!({
            "id": "dp_1", "amount": 9900, "currency": "gbp", "status": status, "reason": "general",
            "charge": {"id": "ch_1", "customer": null}, "payment_intent": "pi_cs_1", "livemode": false,
        });
        self.stripe.reset().await;
        self.answer("POST", "/v1/refunds", 429, busy()).await;
        self.answer("GET", "/v1/disputes/dp_1", 200, dispute.clone()).await;
        let id = format!("evt_{status}");
        self.bench.process(&event(&id, "charge.dispute.updated", &dispute)).await;
    }
}

#[tokio::test]
async fn only_the_owner_confirms_and_only_the_shown_offer() {
    let (shop, order) = Shop::sold_now().await;
    let etag = shop.offer(&order).await.etag;
    for other in [Caller::customer("bob", "bob@example.com"), Caller::unverified("eve", "ada@example.com")] {
        let status = refused(shop.withdraw(&other, &order, &etag).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    }
    assert_eq!(violated(&refused(shop.withdraw(&ada(), &order, "").await)), ["etag"]);
    let wrong = refused(shop.withdraw(&ada(), &order, "1").await);
    assert_eq!(reason(&wrong), "WITHDRAWAL_OFFER_CHANGED");
    // Staff gave a part back since: the amount that was shown is no longer right.
    shop.refund(&order, 900).await.expect("stored");
    let stale = refused(shop.withdraw(&ada(), &order, &etag).await);
    assert_eq!(reason(&stale), "WITHDRAWAL_OFFER_CHANGED");
    assert_eq!((shop.bench.count("withdrawals").await, shop.given_back().await), (0, 900));
    let made = shop.withdrawn(&order).await;
    assert_eq!((made.amount.expect("an amount").minor_units, shop.given_back().await), (9000, 9900));
}

#[tokio::test]
async fn the_guarantee_gives_everything_back_also_after_the_delivery() {
    let (shop, order) = Shop::sold_now().await;
    let (bench, id) = (&shop.bench, &order.order_id);
    bench.answer(&ada(), id, answers()).await.expect("saved");
    bench.submit(&ada(), id).await.expect("submitted");
    bench.start_work(&Caller::staff(), id).await.expect("started");
    bench.deliver(&Caller::staff(), id, CONFIRMED).await.expect("delivered");
    let made = shop.withdrawn(&order).await;
    assert_eq!((made.rule(), made.amount.expect("an amount").minor_units), (Rule::Guarantee, 9900));
    assert_eq!(reason(&refused(bench.accept(&ada(), id).await)), "ORDER_STATE");
}

#[tokio::test]
async fn an_order_that_cost_nothing_is_ended_and_stripe_is_not_asked() {
    let free = without_cost(session_now("cs_1"));
    let (shop, order) = Shop::sold_with(free).await;
    // Without a charge, the order was paid when its event happened, which is the past in this test.
    shop.bench.execute("UPDATE orders SET pay_time = runtime.now()").await;
    let made = shop.withdrawn(&order).await;
    assert_eq!((made.state(), made.amount.expect("an amount").minor_units), (State::Completed, 0));
    assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
    assert_eq!(shop.bench.count("stripe_operations").await, 0);
    assert!(shop.asked("POST", "/v1/refunds").await.is_empty());
}

#[tokio::test]
async fn with_refunds_by_staff_and_other_withdrawals_no_more_is_paid_back_than_was_paid() {
    let (shop, order) = Shop::sold_now().await;
    let etag = shop.offer(&order).await.etag;
    let caller = ada();
    let refunds = (0..4).map(|_| shop.refund(&order, 4000));
    let withdrawals = (0..4).map(|_| shop.withdraw(&caller, &order, &etag));
    let all = futures_util::future::join(
        futures_util::future::join_all(withdrawals),
        futures_util::future::join_all(refunds),
    );
    let (withdrawals, refunds) = all.await;
    let given = shop.given_back().await;
    assert!(given <= 9900, "{given}");
    let made: Vec<_> = withdrawals.into_iter().filter_map(Result::ok).collect();
    assert_eq!(shop.bench.count("withdrawals").await, i64::from(!made.is_empty()));
    assert!(made.windows(2).all(|two| two[0] == two[1]), "each gets the same answer");
    let by_staff = refunds.iter().filter(|refund| refund.is_ok()).count();
    assert_eq!(by_staff, if made.is_empty() { 2 } else { 0 }, "what was shown is confirmed, or refused");
    // In the end, everything is on its way.
    if made.is_empty() {
        shop.withdrawn(&order).await;
    }
    assert_eq!(shop.given_back().await, 9900);
}

#[tokio::test]
async fn while_the_bank_has_the_money_the_withdrawal_waits_for_its_decision() {
    for (decision, state, given) in [("won", State::Requested, 9900), ("lost", State::Completed, 0)] {
        let (shop, order) = Shop::sold_now().await;
        shop.tell_dispute("needs_response").await;
        let made = shop.withdrawn(&order).await;
        assert_eq!((made.state(), shop.given_back().await), (State::Waiting, 0));
        assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
        assert_eq!(shop.settle(&made).await.expect("nothing to do yet"), State::Waiting);
        shop.tell_dispute(decision).await;
        eventually("the withdrawal is settled", || async {
            Some(shop.made(&order).await.state()).filter(|now| *now == state)
        })
        .await;
        assert_eq!(shop.settle(&made).await.expect("known"), state);
        assert_eq!(shop.given_back().await, given, "{decision}");
    }
}

#[tokio::test]
async fn a_decision_is_about_its_own_payment_however_many_withdrawals_wait_longer() {
    let (shop, order) = Shop::sold_now().await;
    shop.tell_dispute("needs_response").await;
    let made = shop.withdrawn(&order).await;
    assert_eq!(made.state(), State::Waiting);
    for others in [
        "INSERT INTO orders
         SELECT (jsonb_populate_record(o, jsonb_build_object(
             'order_id', gen_random_uuid(), 'stripe_checkout_session_id', 'cs_other_' || n,
             'stripe_payment_intent_id', 'pi_other_' || n))).*
         FROM orders o, generate_series(1, 101) AS n",
        "INSERT INTO withdrawals
         SELECT (jsonb_populate_record(w, jsonb_build_object(
             'withdrawal_id', gen_random_uuid(), 'order_id', o.order_id,
             'create_time', w.create_time - interval '1 minute'))).*
         FROM withdrawals w, orders o
         WHERE o.order_id <> w.order_id",
    ] {
        shop.bench.execute(others).await;
    }
    shop.tell_dispute("won").await;
    eventually("the withdrawal is settled", || async {
        (shop.made(&order).await.state() == State::Requested).then_some(())
    })
    .await;
    let waiting = shop.bench.count("withdrawals WHERE state = 'WAITING'").await;
    assert_eq!((waiting, shop.given_back().await), (101, 9900));
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_gives_operators_a_notice_and_staff_can_correct_it() {
    let (shop, order) = Shop::sold_now().await;
    shop.stripe.reset().await;
    let refusal = json!({"error": {"type": "invalid_request_error", "code": "charge_expired_for_capture"}});
    shop.answer("POST", "/v1/refunds", 400, refusal).await;
    shop.withdrawn(&order).await;
    eventually("the refund has failed", || async {
        (shop.made(&order).await.state() == State::Failed).then_some(())
    })
    .await;
    assert_eq!(shop.notices().await, 2, "that the customer withdrew, and that the money is not back");
    shop.refund(&order, 0).await.expect("stored");
    eventually("operators are told that Stripe refuses again", || async {
        (shop.notices().await == 3).then_some(())
    })
    .await;
    shop.stripe.reset().await;
    shop.answer("POST", "/v1/refunds", 429, busy()).await;
    let refund = shop.refund(&order, 0).await.expect("stored").refund.expect("a refund");
    shop.tell_refund(&at_stripe("re_1", 9900, Some(&refund))).await;
    assert_eq!(shop.made(&order).await.state(), State::Completed);
}
