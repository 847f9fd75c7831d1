//! `RevokeOrderLinks`: after that no link to the order opens it.

use levqor_proto_billing::v1::RevokeOrderLinksRequest;
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Bench, ada, audited, reason, refused};

impl Bench {
    async fn revoke_links(&self, caller: &Caller, order_id: &str) -> Result<i64, Status> {
        let request = caller.request(RevokeOrderLinksRequest { order_id: order_id.to_owned() });
        Ok(self.order_client().revoke_order_links(request).await?.into_inner().revoked)
    }
}

#[tokio::test]
async fn revoked_links_open_nothing() {
    let bench = Bench::start().await;
    let order_id = bench.paid().await.order_id;
    let token = bench.link_token().await;
    let bob = Caller::customer("bob", "bob@example.com");
    let status = refused(bench.revoke_links(&bob, &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    assert!(bench.linked(&token).await.is_ok());
    assert_eq!(bench.revoke_links(&ada(), &order_id).await.expect("revoked"), 1);
    let status = refused(bench.linked(&token).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "LINK_NOT_FOUND"));
    assert_eq!(bench.revoke_links(&ada(), &order_id).await.expect("revoked"), 0);
    let ids = json!({"order_id": order_id});
    assert_eq!(audited(&bench, "order_link.revoke").await, [ids.clone(), ids]);
}
