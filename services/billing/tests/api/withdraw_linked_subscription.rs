//! `WithdrawLinkedSubscription`: a guest withdraws by the link alone, and has a receipt by mail.

use chrono::TimeDelta;
use levqor_proto_billing::v1::{WithdrawLinkedSubscriptionRequest, Withdrawal, withdrawal::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};

use crate::support::{Shop, ada, audited, invoices, reason, refused, violated};

impl Shop {
    async fn withdraw_subscription_by_link(
        &self,
        link_token: &str,
        etag: &str,
    ) -> Result<Withdrawal, Status> {
        let (link_token, etag) = (link_token.to_owned(), etag.to_owned());
        let request = Caller::anonymous().request(WithdrawLinkedSubscriptionRequest { link_token, etag });
        let response = self.withdrawals().withdraw_linked_subscription(request).await?;
        Ok(response.into_inner().withdrawal.expect("a withdrawal"))
    }
}

#[tokio::test]
async fn a_guest_withdraws_by_the_link_once_and_has_a_receipt() {
    let shop = Shop::subscribed(invoices()).await;
    let link = shop.bench.subscription_link_token().await.expect("a link");
    let offer = shop.subscription_shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    shop.busy_at_the_end().await;
    let changed = refused(shop.withdraw_subscription_by_link(&link, "1").await);
    assert_eq!(reason(&changed), "WITHDRAWAL_OFFER_CHANGED");
    assert_eq!(violated(&refused(shop.withdraw_subscription_by_link(&link, "").await)), ["etag"]);
    let wrong = refused(shop.withdraw_subscription_by_link("1", &offer.etag).await);
    assert_eq!((wrong.code(), reason(&wrong).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    assert_eq!(shop.bench.count("withdrawals").await, 0);

    let made = shop.withdraw_subscription_by_link(&link, &offer.etag).await.expect("withdrawn");
    assert_eq!((made.state(), &made.subscription_id), (State::Requested, &offer.subscription_id));
    let again = shop.withdraw_subscription_by_link(&link, &offer.etag).await.expect("known");
    assert_eq!(again.withdrawal_id, made.withdrawal_id);
    assert_eq!((shop.bench.count("withdrawals").await, shop.notices().await), (1, 1));
    assert_eq!(shop.bench.count("stripe_operations WHERE kind = 'SUBSCRIPTION_END'").await, 1);
    assert_eq!(audited(&shop.bench, "subscription.withdraw").await.len(), 1);
    let receipts = shop.bench.messages().await.into_iter().filter_map(|(_, mail)| match mail.content {
        Some(Content::WithdrawalReceipt(receipt)) => Some((mail.recipient, receipt.statement)),
        _ => None,
    });
    assert_eq!(receipts.collect::<Vec<_>>(), [("ada@example.com".to_owned(), offer.statement)]);
    let shown = shop.subscription_shown_by_link(&link).await.expect("shown").withdrawal.expect("it");
    assert_eq!(shown.withdrawal_id, made.withdrawal_id);
    // After signing in, it is the customer's own.
    let own = shop.shown_of_subscription(&ada()).await.expect("shown").withdrawal.expect("it");
    assert_eq!(own.withdrawal_id, made.withdrawal_id);
}

#[tokio::test]
async fn an_expired_link_withdraws_from_nothing() {
    let shop = Shop::subscribed(invoices()).await;
    let link = shop.bench.subscription_link_token().await.expect("a link");
    let offer = shop.subscription_shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    shop.bench.execute("UPDATE subscription_links SET expire_time = runtime.now()").await;
    shop.bench.advance(TimeDelta::seconds(1)).await;
    let status = refused(shop.withdraw_subscription_by_link(&link, &offer.etag).await);
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(shop.bench.count("withdrawals").await, 0);
}
