//! Tells every service about the last change of a hold, and continues the erasures that waited for it. This service calls it. It
//! works without `mutate`, because it asks other services: a second call tells them the same.

use levqor_proto_compliance::v1::{SpreadHoldRequest, SpreadHoldResponse};
use levqor_runtime::{context::Ctx, privacy, request::id};

use crate::{Compliance, error::Error, holding, peers::Peers, store::placed_holds};

pub(super) async fn spread_hold(
    compliance: &Compliance,
    ctx: Ctx,
    request: SpreadHoldRequest,
) -> Result<SpreadHoldResponse, Error> {
    let id = id("hold_id", &request.hold_id)?;
    let mut conn = compliance.chassis.db.acquire().await?;
    let hold = placed_holds::get(&mut conn, id).await?.ok_or(Error::HoldNotFound)?;
    drop(conn);
    if !hold.state.is_untold() {
        return Ok(SpreadHoldResponse { state: hold.state.into() });
    }
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let subject = holding::tell(compliance, &peers, &hold).await?;
    let mut tx = compliance.chassis.db.begin().await?;
    let mut told = placed_holds::lock(&mut tx, id).await?.ok_or(Error::HoldNotFound)?;
    // If it has changed since then, another call reports that change.
    if (told.state, told.change_time) == (hold.state, hold.change_time) {
        let now = tx.now().await?;
        privacy::apply_hold(&mut tx, told.change(subject)).await?;
        told.know(now);
        placed_holds::update(&mut tx, &told).await?;
        holding::follow(&mut tx, &told, now).await?;
        tx.commit().await?;
    }
    Ok(SpreadHoldResponse { state: told.state.into() })
}
