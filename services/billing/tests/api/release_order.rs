//! `ReleaseOrder`: staff remove an owner who claimed an order wrongly, and the right person claims it.

use levqor_proto_billing::v1::{Order, ReleaseOrderRequest};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{Bench, event, reason, refused, session, violated};

const NONE: &str = "0190b2c4-0000-7000-8000-000000000000";

impl Bench {
    async fn release(&self, caller: &Caller, order_id: &str) -> Result<Order, Status> {
        let request = caller.request(ReleaseOrderRequest { order_id: order_id.to_owned() });
        Ok(self.client().release_order(request).await?.into_inner().order.expect("an order"))
    }

    /// An order with Ada's address, claimed by this `sub` with that address.
    async fn claimed_by(&self, sub: &str) -> Order {
        self.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
        assert_eq!(self.orders(&Caller::customer(sub, "ada@example.com")).await.len(), 1);
        self.order().await
    }
}

#[tokio::test]
async fn staff_see_the_owner_and_release_the_order_and_the_right_person_claims_it() {
    let bench = Bench::start().await;
    let order = bench.claimed_by("mallory").await;
    assert_eq!(order.owner_sub, "mallory");
    let ada = Caller::customer("ada", "ada@example.com");
    assert!(bench.orders(&ada).await.is_empty(), "it is somebody else's");

    let released = bench.release(&Caller::staff(), &order.order_id).await.expect("released");
    assert_eq!(released.owner_sub, "");
    assert!(released.update_time != order.update_time);
    let hers = bench.orders(&ada).await;
    assert_eq!((hers.len(), hers[0].owner_sub.as_str()), (1, ""), "whose it is, only staff are told");
    assert_eq!(bench.order().await.owner_sub, "ada");
    assert!(bench.orders(&Caller::customer("mallory", "mallory@example.com")).await.is_empty());

    let entries: Vec<Value> =
        sqlx::query_scalar("SELECT ids FROM runtime.audit_entries WHERE action = 'order.release'")
            .fetch_all(bench.service.db.pool())
            .await
            .expect("entries");
    assert_eq!(entries, [json!({"order_id": order.order_id})], "nobody is named");
}

#[tokio::test]
async fn the_same_key_releases_once() {
    let bench = Bench::start().await;
    let order = bench.claimed_by("mallory").await;
    let staff = Caller::staff().with_key("once");
    let first = bench.release(&staff, &order.order_id).await.expect("released");
    assert_eq!(bench.orders(&Caller::customer("ada", "ada@example.com")).await.len(), 1);
    assert!(bench.release(&staff, &order.order_id).await.expect("remembered") == first);
    assert_eq!(bench.order().await.owner_sub, "ada", "she keeps it");
}

#[tokio::test]
async fn a_missing_order_and_one_without_an_owner_cannot_be_released() {
    let bench = Bench::start().await;
    let status = refused(bench.release(&Caller::staff(), NONE).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
    let status = refused(bench.release(&Caller::staff(), "1").await);
    assert_eq!(violated(&status), ["order_id"]);
    bench.process(&event("evt_1", "checkout.session.completed", &session("cs_1"))).await;
    let order_id = bench.order().await.order_id;
    let status = refused(bench.release(&Caller::staff(), &order_id).await);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ORDER_NOT_OWNED"));
}
