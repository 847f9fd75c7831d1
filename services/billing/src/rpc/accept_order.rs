//! Accepts the delivered work of an order. Customers accept only that of their own orders.

use levqor_proto_billing::v1::{AcceptOrderRequest, AcceptOrderResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Billing, domain::order_event::Kind, error::Error, order_steps, store::orders};

pub(super) async fn accept_order(
    billing: &Billing,
    ctx: Ctx,
    request: AcceptOrderRequest,
) -> Result<AcceptOrderResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.accept(tx.now().await?)?;
        order_steps::save(billing, tx, &order, Kind::Accepted, order_steps::party(&ctx), "").await?;
        let response = AcceptOrderResponse { order: Some(order.seen_by(&ctx.scope())) };
        Ok(Done::audited(response, "order.accept", &[("order_id", &order_id)]))
    })
    .await
}
