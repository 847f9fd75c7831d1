//! Makes a new link to an order and mails it to the order's address, for staff.

use levqor_proto_billing::v1::{CreateOrderLinkRequest, CreateOrderLinkResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
    timestamp,
};

use crate::{Billing, error::Error, order_links, order_mails, store::orders};

pub(super) async fn create_order_link(
    billing: &Billing,
    ctx: Ctx,
    request: CreateOrderLinkRequest,
) -> Result<CreateOrderLinkResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.check_paid()?;
        let link = order_links::create(tx, &billing.site, order.id).await?;
        order_mails::access(tx, &order, &link).await?;
        let response = CreateOrderLinkResponse { expire_time: Some(timestamp(link.expire_time)) };
        Ok(Done::audited(response, "order_link.create", &[("order_id", &order_id)]))
    })
    .await
}
