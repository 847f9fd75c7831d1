//! `WithdrawLinkedOrder`: a guest withdraws by the link alone.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{
    OrderParty, WithdrawLinkedOrderRequest, Withdrawal, order::FulfilmentState, withdrawal::State,
};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::support::{Shop, reason, refused};

impl Shop {
    async fn withdraw_by_link(&self, link_token: &str, etag: &str) -> Result<Withdrawal, Status> {
        let (link_token, etag) = (link_token.to_owned(), etag.to_owned());
        let request = Caller::anonymous().request(WithdrawLinkedOrderRequest { link_token, etag });
        let response = self.withdrawals().withdraw_linked_order(request).await?;
        Ok(response.into_inner().withdrawal.expect("a withdrawal"))
    }
}

#[tokio::test]
async fn a_guest_withdraws_by_the_link_once() {
    let (shop, order) = Shop::sold_now().await;
    let link = shop.bench.link_token().await;
    let offer = shop.shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    assert_eq!(reason(&refused(shop.withdraw_by_link(&link, "1").await)), "WITHDRAWAL_OFFER_CHANGED");
    let wrong = refused(shop.withdraw_by_link("1", &offer.etag).await);
    assert_eq!((wrong.code(), reason(&wrong).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    let made = shop.withdraw_by_link(&link, &offer.etag).await.expect("withdrawn");
    assert_eq!((made.state(), &made.order_id), (State::Requested, &order.order_id));
    assert_eq!(shop.withdraw_by_link(&link, &offer.etag).await.expect("known"), made);
    assert_eq!(shop.shown_by_link(&link).await.expect("shown").withdrawal.expect("it"), made);
    assert_eq!((shop.given_back().await, shop.bench.count("withdrawals").await), (9900, 1));
    assert_eq!(shop.bench.order().await.fulfilment_state(), FulfilmentState::Ended);
    // After signing in, it is the customer's own.
    assert_eq!(shop.made(&order).await, made);
    assert_eq!(shop.bench.shown(&order.order_id).await.events[1].party(), OrderParty::Customer);
}

#[tokio::test]
async fn an_expired_link_withdraws_from_nothing() {
    let (shop, _) = Shop::sold_now().await;
    let link = shop.bench.link_token().await;
    let etag = shop.shown_by_link(&link).await.expect("shown").offer.expect("an offer").etag;
    shop.bench.execute("UPDATE order_links SET expire_time = runtime.now()").await;
    shop.bench.advance(TimeDelta::seconds(1)).await;
    assert_eq!(refused(shop.withdraw_by_link(&link, &etag).await).code(), Code::NotFound);
    assert_eq!(shop.bench.count("withdrawals").await, 0);
}
