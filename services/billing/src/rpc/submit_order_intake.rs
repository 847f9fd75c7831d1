//! Submits the draft of an order's intake form, if it answers every required question. The delivery time begins.

use levqor_proto_billing::v1::{SubmitOrderIntakeRequest, SubmitOrderIntakeResponse};
use levqor_runtime::{
    context::Ctx,
    db::Tx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::{
        intake_form,
        order::Order,
        order_event::{Kind, Party},
    },
    error::Error,
    order_steps,
    store::{order_intakes, orders},
};

pub(super) async fn submit_order_intake(
    billing: &Billing,
    ctx: Ctx,
    request: SubmitOrderIntakeRequest,
) -> Result<SubmitOrderIntakeResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        submit(billing, tx, &mut order, order_steps::party(&ctx)).await?;
        let response = SubmitOrderIntakeResponse { order: Some(order.seen_by(&ctx.scope())) };
        Ok(Done::audited(response, "order.submit_intake", &[("order_id", &order_id)]))
    })
    .await
}

/// Submits the draft of a locked order.
pub(super) async fn submit(
    billing: &Billing,
    tx: &mut Tx,
    order: &mut Order,
    party: Party,
) -> Result<(), Error> {
    order.check_intake_open()?;
    let draft = order_intakes::get(tx, order.id).await?;
    intake_form::check_complete(order.terms.tier, &draft.answers)?;
    let now = tx.now().await?;
    order.submit_intake(now)?;
    order_steps::save(billing, tx, order, Kind::IntakeSubmitted, party, "").await?;
    Ok(())
}
