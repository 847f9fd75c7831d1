//! `RevokeSubscriptionLinks`: after that no link to the subscription shows it or withdraws from it.

use levqor_proto_billing::v1::RevokeSubscriptionLinksRequest;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Shop, ada, audited, invoices, reason, refused};

impl Shop {
    async fn revoke_subscription_links(&self, caller: &Caller, customer_email: &str) -> Result<i64, Status> {
        let request = RevokeSubscriptionLinksRequest { customer_email: customer_email.to_owned() };
        let response = self.subscriptions().revoke_subscription_links(caller.request(request)).await?;
        Ok(response.into_inner().revoked)
    }
}

#[tokio::test]
async fn revoked_links_show_nothing() {
    let shop = Shop::subscribed(invoices()).await;
    let link = shop.bench.subscription_link_token().await.expect("a link");
    let offer = shop.subscription_shown_by_link(&link).await.expect("shown").offer.expect("an offer");
    let bob = Caller::customer("bob", "bob@example.com");
    for email in ["", "ada@example.com"] {
        let status = refused(shop.revoke_subscription_links(&bob, email).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBSCRIPTION_NOT_FOUND"));
    }
    assert!(shop.subscription_shown_by_link(&link).await.is_ok());
    let staff = Caller::staff();
    assert_eq!(shop.revoke_subscription_links(&staff, "ada@example.com").await.expect("revoked"), 1);
    let status = refused(shop.subscription_shown_by_link(&link).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    assert_eq!(shop.revoke_subscription_links(&ada(), "").await.expect("revoked"), 0);
    let ids = json!({"subscription_id": offer.subscription_id});
    assert_eq!(audited(&shop.bench, "subscription_link.revoke").await, [ids.clone(), ids]);
}
