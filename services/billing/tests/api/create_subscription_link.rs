//! `CreateSubscriptionLink`: staff send a guest a new link to the subscription; only its mail has the token.

use levqor_proto_billing::v1::CreateSubscriptionLinkRequest;
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Shop, audited, invoices, reason, refused, subscription_now, violated};

impl Shop {
    async fn create_subscription_link(&self, customer_email: &str) -> Result<(), Status> {
        let request = CreateSubscriptionLinkRequest { customer_email: customer_email.to_owned() };
        let request = Caller::staff().request(request);
        let response = self.subscriptions().create_subscription_link(request).await?.into_inner();
        assert!(response.expire_time.is_some());
        Ok(())
    }
}

#[tokio::test]
async fn a_new_link_is_mailed_and_shows_the_withdrawal() {
    let shop = Shop::subscribed(invoices()).await;
    shop.create_subscription_link("ada@example.com").await.expect("created");
    let mailed = shop.bench.messages().await.into_iter().find_map(|(_, message)| match message.content {
        Some(Content::SubscriptionAccess(access)) => Some((message.recipient, access)),
        _ => None,
    });
    let (recipient, access) = mailed.expect("a mail");
    assert_eq!((recipient.as_str(), access.plan.as_str()), ("ada@example.com", "Growth"));
    let link = &access.access_link;
    let token = link.strip_prefix("https://www.levqor.ai/subscription?link=").expect("a link to the website");
    let offer = shop.subscription_shown_by_link(token).await.expect("shown").offer.expect("an offer");
    assert_eq!(offer.subscription_id, access.subscription_id);
    let ids = json!({"subscription_id": access.subscription_id});
    assert_eq!(audited(&shop.bench, "subscription_link.create").await, [ids]);
    let secret = &token[32..];
    let stored = format!("subscription_links WHERE encode(secret_tag, 'hex') = '{secret}'");
    assert_eq!(shop.bench.count(&stored).await, 0);
}

#[tokio::test]
async fn only_a_subscription_that_has_begun_gets_a_link() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription_now("incomplete")).await;
    let status = refused(shop.create_subscription_link("ada@example.com").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "SUBSCRIPTION_STATE"));
    let status = refused(shop.create_subscription_link("bob@example.com").await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBSCRIPTION_NOT_FOUND"));
    assert_eq!(violated(&refused(shop.create_subscription_link("").await)), ["customer_email"]);
    assert_eq!(shop.bench.count("subscription_links").await, 0);
}
