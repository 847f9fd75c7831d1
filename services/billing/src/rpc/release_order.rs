//! Takes an order from its owner, for staff: the wrong person claimed it. Recorded in the audit chain. Afterwards the order is
//! nobody's, and the next access with its verified address claims it.

use std::sync::Arc;

use levqor_proto_billing::v1::{ReleaseOrderRequest, ReleaseOrderResponse};
use levqor_runtime::{
    audit,
    context::Ctx,
    error::{Invalid, Violations},
    idempotency::{self, Claim},
};

use crate::{Billing, domain::order::OrderId, error::Error, store::orders};

pub(super) async fn release_order(
    billing: Arc<Billing>,
    ctx: Ctx,
    request: ReleaseOrderRequest,
) -> Result<ReleaseOrderResponse, Error> {
    let (scope, Command { order_id }) = (ctx.scope(), Command::try_from(&request)?);
    let mut tx = billing.chassis.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &ctx, &request).await? {
        Claim::Replay(response) => return Ok(response),
        Claim::Fresh(ticket) => ticket,
    };
    let mut order = orders::lock(&mut tx, order_id).await?.ok_or(Error::OrderNotFound)?;
    order.release(tx.now().await?)?;
    orders::release(&mut tx, &order).await?;
    let response = ReleaseOrderResponse { order: Some(order.seen_by(&scope)) };
    ticket.remember(&mut tx, &response).await?;
    // The former owner is left out: erasure could not remove it from the chain.
    let ids = [("order_id", request.order_id.as_str())];
    audit::append(&mut tx, &ctx.actor, "order.release", &ids).await?;
    tx.commit().await?;
    Ok(response)
}

struct Command {
    order_id: OrderId,
}

impl TryFrom<&ReleaseOrderRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ReleaseOrderRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.parse("order_id", &request.order_id, "an order's id (a UUID)");
        violations.finish(order_id.map(|order_id| Self { order_id }))
    }
}
