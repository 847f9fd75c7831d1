//! Accepts delivered orders whose customers said nothing for 7 days, and reports overdue deliveries. A schedule calls it. It is
//! not written with `mutate`: each batch has its own transaction, and a second run finds only the orders that the first did not
//! process.

use levqor_proto_billing::v1::{AdvanceOrdersRequest, AdvanceOrdersResponse};
use levqor_runtime::{audit, context::Ctx};

use crate::{
    Billing,
    domain::order_event::{Kind, Party},
    error::Error,
    order_steps,
    store::orders,
};

/// Orders of one transaction.
const BATCH: i64 = 50;

pub(super) async fn advance_orders(
    billing: &Billing,
    ctx: Ctx,
    _: AdvanceOrdersRequest,
) -> Result<AdvanceOrdersResponse, Error> {
    let mut response = AdvanceOrdersResponse::default();
    loop {
        let accepted = accept(billing, &ctx).await?;
        let overdue = report_overdue(billing).await?;
        response.accepted += accepted;
        response.overdue += overdue;
        if accepted.max(overdue) < BATCH {
            return Ok(response);
        }
    }
}

/// Accepts one batch. Returns how many it accepted.
async fn accept(billing: &Billing, ctx: &Ctx) -> Result<i64, Error> {
    let mut tx = billing.chassis.db.begin_work().await?;
    let now = tx.now().await?;
    let mut orders = orders::lock_silently_accepted(&mut tx, BATCH).await?;
    orders.retain(|order| order.is_silently_accepted(now));
    for order in &mut orders {
        order.accept(now)?;
        order_steps::save(billing, &mut tx, order, Kind::Accepted, Party::System, "").await?;
    }
    for order in &orders {
        // Last, because each audit entry holds the chain's lock until the commit.
        audit::append(&mut tx, &ctx.actor, "order.accept", &[("order_id", &order.id.to_string())]).await?;
    }
    tx.commit().await?;
    Ok(i64::try_from(orders.len()).unwrap_or(i64::MAX))
}

/// Reports one batch. Returns how many it reported.
async fn report_overdue(billing: &Billing) -> Result<i64, Error> {
    let mut tx = billing.chassis.db.begin_work().await?;
    let now = tx.now().await?;
    let mut reported = 0;
    for mut order in orders::lock_overdue(&mut tx, BATCH).await? {
        if order.report_overdue(now) {
            order_steps::save(billing, &mut tx, &order, Kind::Overdue, Party::System, "").await?;
            reported += 1;
        }
    }
    tx.commit().await?;
    Ok(reported)
}
