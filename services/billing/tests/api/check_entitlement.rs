//! `CheckEntitlement`: services call it, and so does the business' own product, with a key that allows nothing else.

use levqor_proto_billing::v1::{
    CheckEntitlementRequest, CheckEntitlementResponse, ListStripeEventsRequest, MakeRefundRequest,
    entitlement::{Feature, Refusal},
    subscription::Plan,
};
use levqor_runtime::testing::Caller;
use tonic::{Code, Status};
use wiremock::MockServer;

use crate::support::{Shop, refused, subscription, violated};

const PRODUCT_KEY: &str = "the key of the product which is long enough";

impl Shop {
    async fn check(
        &self,
        caller: &Caller,
        sub: &str,
        feature: Feature,
    ) -> Result<CheckEntitlementResponse, Status> {
        let request = CheckEntitlementRequest { sub: sub.to_owned(), feature: feature.into() };
        Ok(self.subscriptions().check_entitlement(caller.request(request)).await?.into_inner())
    }
}

#[tokio::test]
async fn the_product_and_services_are_answered_and_the_products_key_opens_nothing_else() {
    let more = [("LEVQOR_PRODUCT_KEY", PRODUCT_KEY)];
    let shop = Shop::open_with(MockServer::start().await, &more).await;
    shop.subscribe(&subscription("active", &[("PRO", 4900)])).await;
    shop.subscription().await.expect("it is claimed");
    let product = Caller::signed_by(PRODUCT_KEY, "product", "billing");
    for caller in [&product, &Caller::service("support", "billing")] {
        let answer = shop.check(caller, "ada", Feature::ApiCalls).await.expect("an answer");
        let entitlement = answer.entitlement.expect("a verdict");
        assert_eq!((answer.plan(), entitlement.allowed, entitlement.limit), (Plan::Pro, true, Some(50_000)));
    }
    let nobody = shop.check(&product, "bob", Feature::ApiCalls).await.expect("an answer");
    assert_eq!(nobody.entitlement.expect("a verdict").refusal(), Refusal::NoSubscription);
    let status = refused(shop.check(&product, "", Feature::Unspecified).await);
    assert_eq!(violated(&status), ["sub", "feature"]);

    let refund = product.request(MakeRefundRequest::default());
    assert_eq!(refused(shop.refunds().make_refund(refund).await).code(), Code::PermissionDenied);
    let events = product.request(ListStripeEventsRequest::default());
    assert_eq!(refused(shop.bench.client().list_stripe_events(events).await).code(), Code::PermissionDenied);
    let forged = Caller::signed_by(PRODUCT_KEY, "support", "billing");
    let refused = refused(shop.check(&forged, "ada", Feature::Runs).await);
    assert_eq!(refused.code(), Code::Unauthenticated, "it names a service");
}
