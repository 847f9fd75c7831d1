//! `CreateBillingPortalSession`: the session is for the caller's own customer at Stripe only.

use levqor_proto_billing::v1::{
    CreateBillingPortalSessionRequest, CreateCheckoutSessionRequest,
    create_checkout_session_request::{DoneForYou, Item},
    order::Tier,
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Code;

use crate::support::{Shop, TERMS, ada, reason, refused, subscription};

#[tokio::test]
async fn the_portal_is_of_the_callers_own_customer() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    let url = "https://billing.stripe.com/p/1";
    shop.answer("POST", "/v1/billing_portal/sessions", 200, json!({"id": "bps_1", "url": url})).await;
    let request = |caller: &Caller| caller.request(CreateBillingPortalSessionRequest {});
    let session = shop.checkout().create_billing_portal_session(request(&ada())).await.expect("a session");
    assert_eq!(session.into_inner().url, url);
    let asked = shop.asked("POST", "/v1/billing_portal/sessions").await;
    let form = &asked[0].0;
    assert!(form.contains("customer=cus_1"), "{asked:?}");
    assert!(form.contains("return_url=https://www.levqor.ai/billing"), "{asked:?}");
    for other in [Caller::customer("bob", "bob@example.com"), Caller::unverified("eve", "ada@example.com")] {
        let status = refused(shop.checkout().create_billing_portal_session(request(&other)).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "CUSTOMER_NOT_FOUND"));
    }
}

#[tokio::test]
async fn an_address_that_has_changed_is_brought_to_stripe_once() {
    let shop = Shop::open().await;
    let item = Some(Item::Dfy(DoneForYou { tier: Tier::Starter.into() }));
    let buy = CreateCheckoutSessionRequest { item, terms_version: TERMS.to_owned(), ..Default::default() };
    shop.checkout().create_checkout_session(ada().request(buy)).await.expect("a session");
    let url = "https://billing.stripe.com/p/1";
    shop.answer("POST", "/v1/billing_portal/sessions", 200, json!({"id": "bps_1", "url": url})).await;
    let changed = json!({"id": "cus_1", "object": "customer", "email": "ada@new.example"});
    shop.answer("POST", "/v1/customers/cus_1", 200, changed).await;
    let moved = Caller::customer("ada", "ada@new.example");
    for _ in 0..2 {
        let request = moved.request(CreateBillingPortalSessionRequest {});
        shop.checkout().create_billing_portal_session(request).await.expect("a session");
    }
    let asked = shop.asked("POST", "/v1/customers/cus_1").await;
    assert!(asked.len() == 1 && asked[0].0.contains("email=ada@new.example"), "{asked:?}");
    assert_eq!(shop.bench.count("customers WHERE email = 'ada@new.example'").await, 1);
}
