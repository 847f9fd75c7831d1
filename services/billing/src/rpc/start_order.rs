//! Starts the work on an order, or on its revision, for staff.

use levqor_proto_billing::v1::{StartOrderRequest, StartOrderResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{Billing, domain::order_event::Kind, error::Error, order_steps, store::orders};

pub(super) async fn start_order(
    billing: &Billing,
    ctx: Ctx,
    request: StartOrderRequest,
) -> Result<StartOrderResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.start(tx.now().await?)?;
        order_steps::save(billing, tx, &order, Kind::Started, order_steps::party(&ctx), "").await?;
        let response = StartOrderResponse { order: Some(order.seen_by(&ctx.scope())) };
        Ok(Done::audited(response, "order.start", &[("order_id", &order_id)]))
    })
    .await
}
