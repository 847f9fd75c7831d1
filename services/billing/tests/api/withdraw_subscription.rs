//! `WithdrawSubscription`: after the statement the subscription entitles to nothing, is ended at Stripe, and is paid back.

use levqor_proto_billing::v1::{
    CancelSubscriptionRequest, GetEntitlementsRequest, Subscription, WithdrawSubscriptionRequest, Withdrawal,
    subscription, withdrawal::State,
};
use levqor_runtime::testing::{Caller, eventually};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Shop, ada, audited, busy, invoices, reason, refused, subscription_now, violated};

impl Shop {
    pub(crate) async fn withdraw_subscription(
        &self,
        caller: &Caller,
        etag: &str,
    ) -> Result<Withdrawal, Status> {
        let request = caller.request(WithdrawSubscriptionRequest { etag: etag.to_owned() });
        let response = self.withdrawals().withdraw_subscription(request).await?;
        Ok(response.into_inner().withdrawal.expect("a withdrawal"))
    }

    /// Stripe is busy, and ends no subscription.
    pub(crate) async fn busy_at_the_end(&self) {
        self.stripe.reset().await;
        self.answer("GET", "/v1/subscriptions/sub_1", 200, subscription_now("active")).await;
        self.answer("DELETE", "/v1/subscriptions/sub_1", 429, busy()).await;
        self.answer("GET", "/v1/invoices", 200, invoices()).await;
        self.answer("POST", "/v1/refunds", 429, busy()).await;
    }

    /// Stripe has ended the subscription, and says so.
    pub(crate) async fn ended_at_stripe(&self) {
        self.stripe.reset().await;
        self.answer("GET", "/v1/subscriptions/sub_1", 200, subscription_now("canceled")).await;
        self.answer("GET", "/v1/invoices", 200, invoices()).await;
        self.answer("POST", "/v1/refunds", 429, busy()).await;
    }

    async fn is_entitled(&self) -> bool {
        let request = ada().request(GetEntitlementsRequest {});
        let shown = self.subscriptions().get_entitlements(request).await.expect("shown").into_inner();
        shown.entitlements.iter().any(|entitlement| entitlement.allowed)
    }

    async fn ended(&self) -> Subscription {
        eventually("the subscription has ended", || async {
            self.subscription().await.filter(|row| row.state() == subscription::State::Canceled)
        })
        .await
    }
}

#[tokio::test]
async fn the_subscription_entitles_to_nothing_at_once_then_ends_and_is_paid_back() {
    let shop = Shop::subscribed(invoices()).await;
    let etag = shop.offer_of_subscription().await.etag;
    assert!(shop.is_entitled().await);
    shop.busy_at_the_end().await;
    let made = shop.withdraw_subscription(&ada(), &etag).await.expect("withdrawn");
    assert_eq!(
        (made.state(), made.amount.as_ref().expect("an amount").minor_units),
        (State::Requested, 7900)
    );
    assert!(!shop.is_entitled().await, "before Stripe has ended it");
    let request = ada().request(CancelSubscriptionRequest {});
    let status = refused(shop.subscriptions().cancel_subscription(request).await);
    assert_eq!(reason(&status), "SUBSCRIPTION_STATE");
    assert_eq!(
        shop.withdraw_subscription(&ada(), "").await.expect("known").withdrawal_id,
        made.withdrawal_id
    );
    let receipts = "runtime.work WHERE idempotency_key LIKE 'withdrawal_receipt:%'";
    assert_eq!((shop.bench.count(receipts).await, shop.notices().await), (1, 1));
    assert_eq!(audited(&shop.bench, "subscription.withdraw").await.len(), 1);

    shop.ended_at_stripe().await;
    assert_eq!(shop.settle(&made).await.expect("settled"), State::Requested);
    shop.ended().await;
    let refund =
        "refunds WHERE stripe_payment_intent_id = 'pi_1' AND origin = 'CUSTOMER' AND amount_minor = 7900";
    assert_eq!(shop.bench.count(refund).await, 1);
    let id: String = sqlx::query_scalar("SELECT refund_id::text FROM refunds")
        .fetch_one(shop.bench.service.db.pool())
        .await
        .expect("a refund");
    let back = json!({
        "id": "re_1", "object": "refund", "amount": 7900, "currency": "gbp", "payment_intent": "pi_1",
        "status": "succeeded", "metadata": {"refund_id": id}, "created": 1_790_000_000, "livemode": false,
    });
    for _ in 0..2 {
        shop.tell_refund(&back).await;
    }
    let shown = shop.shown_of_subscription(&ada()).await.expect("shown");
    assert_eq!(shown.withdrawal.expect("it").state(), State::Completed);
    let told = "runtime.work WHERE idempotency_key LIKE 'refund_made:%'";
    assert_eq!((shop.bench.count(told).await, shop.given_back().await), (1, 7900));
}

#[tokio::test]
async fn only_an_offer_that_its_customer_saw_can_be_confirmed() {
    let shop = Shop::subscribed(invoices()).await;
    let etag = shop.offer_of_subscription().await.etag;
    let bob = Caller::customer("bob", "bob@example.com");
    assert_eq!(refused(shop.withdraw_subscription(&bob, &etag).await).code(), Code::NotFound);
    assert_eq!(violated(&refused(shop.withdraw_subscription(&ada(), "").await)), ["etag"]);
    let wrong = refused(shop.withdraw_subscription(&ada(), "1").await);
    assert_eq!(reason(&wrong), "WITHDRAWAL_OFFER_CHANGED");
    assert_eq!(shop.bench.count("withdrawals").await, 0);
    assert_eq!(shop.bench.count("stripe_operations WHERE kind = 'SUBSCRIPTION_END'").await, 0);
}
