//! Updates the draft of an order's intake form: the answers that the request names, and no others.

use std::collections::HashMap;

use levqor_proto_billing::v1::{OrderIntake, UpdateOrderIntakeRequest, UpdateOrderIntakeResponse};
use levqor_runtime::{
    context::Ctx,
    db::Tx,
    request::id,
    rpc::{Done, mutate},
    screening::Screened,
};

use super::get_order_intake::intake;
use crate::{
    Billing,
    domain::{intake_form, order::Order},
    error::Error,
    operators, screening,
    store::{
        order_intakes::{self, Draft},
        orders,
    },
};

/// Why saving a draft is not audited.
pub(super) const DRAFT: &str = "a draft has no effect before it is submitted";

pub(super) async fn update_order_intake(
    billing: &Billing,
    ctx: Ctx,
    request: UpdateOrderIntakeRequest,
) -> Result<UpdateOrderIntakeResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    let screened = screen(billing, &ctx, &request.answers).await?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        let intake = save(tx, &order, request.answers.clone(), &screened).await?;
        Ok(Done::unaudited(UpdateOrderIntakeResponse { intake: Some(intake) }, DRAFT))
    })
    .await
}

/// Refuses answers with high-risk data that must not be taken.
pub(super) async fn screen(
    billing: &Billing,
    ctx: &Ctx,
    answers: &HashMap<String, String>,
) -> Result<Screened, Error> {
    let text = answers.values().map(String::as_str).collect::<Vec<_>>().join("\n");
    screening::check(billing, ctx, "intake", &text).await
}

/// Saves these answers of a locked order, and tells operators of a warning about them. Returns the form.
pub(super) async fn save(
    tx: &mut Tx,
    order: &Order,
    answers: HashMap<String, String>,
    screened: &Screened,
) -> Result<OrderIntake, Error> {
    order.check_intake_open()?;
    let mut draft = order_intakes::get(tx, order.id).await?;
    intake_form::change(order.terms.tier, &mut draft.answers, answers)?;
    let now = tx.now().await?;
    order_intakes::save(tx, order.id, &draft.answers, now).await?;
    operators::screened(tx, screened, &format!("order:{}", order.id)).await?;
    Ok(intake(order, Draft { update_time: Some(now), ..draft }))
}
