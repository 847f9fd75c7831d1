//! Revokes all links to an order. Customers revoke only those to their own orders.

use levqor_proto_billing::v1::{RevokeOrderLinksRequest, RevokeOrderLinksResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    error::Error,
    store::{order_links, orders},
};

pub(super) async fn revoke_order_links(
    billing: &Billing,
    ctx: Ctx,
    request: RevokeOrderLinksRequest,
) -> Result<RevokeOrderLinksResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        let revoked = order_links::revoke_all(tx, order.id).await?;
        let response = RevokeOrderLinksResponse { revoked: i64::try_from(revoked).unwrap_or(i64::MAX) };
        Ok(Done::audited(response, "order_link.revoke", &[("order_id", &order_id)]))
    })
    .await
}
