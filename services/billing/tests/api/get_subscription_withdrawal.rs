//! `GetSubscriptionWithdrawal`: Stripe's invoices have the payments, in every API version.

use levqor_proto_billing::v1::{
    GetSubscriptionWithdrawalRequest, GetSubscriptionWithdrawalResponse, WithdrawalOffer, withdrawal::Rule,
    withdrawal_offer::Refusal,
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::{Code, Status};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{Shop, ada, invoices, reason, refused, subscription, subscription_now};

impl Shop {
    /// A subscription of Ada's that began just now, for which this was paid.
    pub(crate) async fn subscribed(paid: Value) -> Self {
        let shop = Self::open().await;
        shop.subscribe(&subscription_now("active")).await;
        shop.answer("GET", "/v1/invoices", 200, paid).await;
        shop
    }

    pub(crate) async fn shown_of_subscription(
        &self,
        caller: &Caller,
    ) -> Result<GetSubscriptionWithdrawalResponse, Status> {
        let request = caller.request(GetSubscriptionWithdrawalRequest {});
        Ok(self.withdrawals().get_subscription_withdrawal(request).await?.into_inner())
    }

    pub(crate) async fn offer_of_subscription(&self) -> WithdrawalOffer {
        self.shown_of_subscription(&ada()).await.expect("shown").offer.expect("an offer")
    }
}

#[tokio::test]
async fn the_first_payment_is_offered_to_its_customer_only() {
    let shop = Shop::subscribed(invoices()).await;
    let offer = shop.offer_of_subscription().await;
    assert_eq!((offer.item.as_str(), offer.rule()), ("Growth subscription", Rule::Guarantee));
    assert_eq!(offer.amount.expect("an amount").minor_units, 7900);
    let bob = Caller::customer("bob", "bob@example.com");
    let status = refused(shop.shown_of_subscription(&bob).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBSCRIPTION_NOT_FOUND"));
}

#[tokio::test]
async fn an_older_stripe_that_has_nothing_to_expand_is_understood() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription_now("active")).await;
    let old = json!({
        "id": "in_1", "object": "invoice", "status": "paid", "paid": true, "currency": "gbp", "amount_paid": 7900,
        "payment_intent": "pi_1", "charge": "ch_1", "created": subscription_now("active")["start_date"],
    });
    let list = ResponseTemplate::new(200).set_body_json(json!({"object": "list", "data": [old]}));
    let is_plain = |request: &wiremock::Request| !request.url.query().unwrap_or_default().contains("expand");
    let plain = Mock::given(method("GET")).and(path("/v1/invoices")).and(is_plain);
    plain.respond_with(list).mount(&shop.stripe).await;
    shop.answer("GET", "/v1/invoices", 400, json!({"error": {"type": "invalid_request_error"}})).await;
    assert_eq!(shop.offer_of_subscription().await.amount.expect("an amount").minor_units, 7900);
}

#[tokio::test]
async fn later_a_subscription_ends_with_its_period() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    let mut paid = invoices();
    paid["data"][0]["status_transitions"]["paid_at"] = json!(1_790_000_000);
    shop.answer("GET", "/v1/invoices", 200, paid).await;
    let offer = shop.offer_of_subscription().await;
    assert_eq!((offer.refusal(), offer.etag.as_str()), (Refusal::PeriodOver, ""));
}

#[tokio::test]
async fn without_stripes_answer_a_withdrawal_cannot_be_shown() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription_now("active")).await;
    shop.answer("GET", "/v1/invoices", 429, json!({"error": {"type": "invalid_request_error"}})).await;
    let status = refused(shop.shown_of_subscription(&ada()).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STRIPE_UNAVAILABLE"));
}
