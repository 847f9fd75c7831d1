//! `CreateOrderLink`: staff send a customer a new link; only its mail has the token.

use levqor_proto_billing::v1::CreateOrderLinkRequest;
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, NO_ORDER, audited, reason, refused};

impl Bench {
    pub(crate) async fn create_link(&self, order_id: &str) -> Result<(), Status> {
        let request = Caller::staff().request(CreateOrderLinkRequest { order_id: order_id.to_owned() });
        let response = self.order_client().create_order_link(request).await?.into_inner();
        assert!(response.expire_time.is_some());
        Ok(())
    }
}

#[tokio::test]
async fn a_new_link_is_mailed_and_opens_the_order() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    bench.create_link(&order_id).await.expect("created");
    let mailed = bench.messages().await.into_iter().find_map(|(_, message)| match message.content {
        Some(Content::OrderAccess(access)) => Some((message.recipient, access.access_link)),
        _ => None,
    });
    let (recipient, link) = mailed.expect("a mail");
    assert_eq!(recipient, "ada@example.com");
    let token = link.strip_prefix("https://www.levqor.ai/order?link=").expect("a link to the website");
    assert_eq!(bench.linked(token).await.expect("an order").order.expect("an order").order_id, order_id);
    assert_eq!(audited(&bench, "order_link.create").await, [json!({"order_id": order_id})]);
    let secret = &token[32..];
    assert_eq!(bench.count(&format!("order_links WHERE encode(secret_tag, 'hex') = '{secret}'")).await, 0);
    let status = refused(bench.create_link(NO_ORDER).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
}
