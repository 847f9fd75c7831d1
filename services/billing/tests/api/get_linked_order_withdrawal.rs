//! `GetLinkedOrderWithdrawal`: shows a guest the withdrawal that can be made. The link is the only permission.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{GetLinkedOrderWithdrawalRequest, GetLinkedOrderWithdrawalResponse};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::support::{Shop, reason, refused};

impl Shop {
    pub(crate) async fn shown_by_link(
        &self,
        link_token: &str,
    ) -> Result<GetLinkedOrderWithdrawalResponse, Status> {
        let request = GetLinkedOrderWithdrawalRequest { link_token: link_token.to_owned() };
        let request = Caller::anonymous().request(request);
        Ok(self.withdrawals().get_linked_order_withdrawal(request).await?.into_inner())
    }
}

#[tokio::test]
async fn the_link_shows_the_offer_and_a_wrong_or_expired_one_nothing() {
    let (shop, order) = Shop::sold_now().await;
    let link = shop.bench.link_token().await;
    let offer = shop.shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    assert_eq!((&offer.order_id, offer.etag.is_empty()), (&order.order_id, false));
    assert_eq!(shop.bench.count("orders WHERE owner_sub IS NULL").await, 1, "a link claims nothing");
    shop.bench.advance(TimeDelta::days(31)).await;
    for wrong in ["1", &link] {
        let status = refused(shop.shown_by_link(wrong).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    }
}
