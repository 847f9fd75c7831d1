//! Removes the owner of an order that the wrong person claimed, for staff. The audit chain records it. The next user whose
//! verified address is the order's claims the order.

use levqor_proto_billing::v1::{ReleaseOrderRequest, ReleaseOrderResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Billing, error::Error, store::orders};

pub(super) async fn release_order(
    billing: &Billing,
    ctx: Ctx,
    request: ReleaseOrderRequest,
) -> Result<ReleaseOrderResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.release(tx.now().await?)?;
        orders::release(tx, &order).await?;
        let response = ReleaseOrderResponse { order: Some(order.seen_by(&ctx.scope())) };
        // The entry omits the former owner, because erasure could not remove them from the chain.
        Ok(Done::audited(response, "order.release", &[("order_id", &order_id)]))
    })
    .await
}
