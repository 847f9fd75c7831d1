//! `GetLinkedSubscriptionWithdrawal`: shows a guest the withdrawal that can be made. The link is the only permission.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    GetLinkedSubscriptionWithdrawalRequest, GetLinkedSubscriptionWithdrawalResponse,
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Shop, invoices, reason, refused, subscription_now, with};

impl Shop {
    pub(crate) async fn subscription_shown_by_link(
        &self,
        link_token: &str,
    ) -> Result<GetLinkedSubscriptionWithdrawalResponse, Status> {
        let request = GetLinkedSubscriptionWithdrawalRequest { link_token: link_token.to_owned() };
        let request = Caller::anonymous().request(request);
        Ok(self.withdrawals().get_linked_subscription_withdrawal(request).await?.into_inner())
    }
}

#[tokio::test]
async fn the_link_in_the_first_mail_shows_a_guest_the_offer_and_a_wrong_or_expired_one_nothing() {
    let shop = Shop::subscribed(invoices()).await;
    let link = shop.bench.subscription_link_token().await.expect("a link");
    let offer = shop.subscription_shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    assert_eq!((offer.item.as_str(), offer.etag.is_empty()), ("Growth subscription", false));
    assert_eq!(offer.amount.expect("an amount").minor_units, 7900);
    assert_eq!(shop.bench.count("subscriptions WHERE owner_sub IS NULL").await, 1, "a link claims nothing");
    let order_link = refused(shop.shown_by_link(&link).await);
    assert_eq!(order_link.code(), Code::NotFound, "it is no link to an order");
    shop.bench.advance(TimeDelta::days(31)).await;
    for wrong in ["1", &link] {
        let status = refused(shop.subscription_shown_by_link(wrong).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    }
}

#[tokio::test]
async fn a_link_to_a_trial_is_valid_after_it() {
    let shop = Shop::open().await;
    let trial = subscription_now("trialing");
    let end = trial["start_date"].as_i64().expect("an instant") + 20 * 86_400;
    shop.subscribe(&with(trial, &[("trial_end", json!(end))])).await;
    shop.answer("GET", "/v1/invoices", 200, invoices()).await;
    let link = shop.bench.subscription_link_token().await.expect("a link");
    shop.bench.advance(TimeDelta::days(40)).await;
    assert!(shop.subscription_shown_by_link(&link).await.is_ok());
    shop.bench.advance(TimeDelta::days(11)).await;
    assert_eq!(refused(shop.subscription_shown_by_link(&link).await).code(), Code::NotFound);
}

#[tokio::test]
async fn a_customer_with_an_account_gets_no_link() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription_now("incomplete")).await;
    assert!(shop.subscription().await.is_some(), "reading it claims it");
    shop.subscribe(&subscription_now("active")).await;
    assert_eq!(shop.bench.subscription_link_token().await, None);
    assert_eq!(shop.bench.count("subscription_links").await, 0);
}
