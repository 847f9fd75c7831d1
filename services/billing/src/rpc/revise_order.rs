//! Requests a revision of an order's delivered work, until 14 days after the delivery. Customers do it only for their own orders.

use levqor_proto_billing::v1::{ReviseOrderRequest, ReviseOrderResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::{order::OrderId, order_event::Kind},
    error::Error,
    order_steps::{self, Note},
    store::orders,
};

pub(super) async fn revise_order(
    billing: &Billing,
    ctx: Ctx,
    request: ReviseOrderRequest,
) -> Result<ReviseOrderResponse, Error> {
    let Command { order_id, note } = Command::try_from(&request)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.request_revision(tx.now().await?)?;
        order_steps::save(
            billing,
            tx,
            &order,
            Kind::RevisionRequested,
            order_steps::party(&ctx),
            note.as_str(),
        )
        .await?;
        let response = ReviseOrderResponse { order: Some(order.seen_by(&ctx.scope())) };
        Ok(Done::audited(response, "order.revise", &[("order_id", &order_id)]))
    })
    .await
}

/// A revision, and what has to change.
struct Command {
    order_id: OrderId,
    note: Note,
}

impl TryFrom<&ReviseOrderRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &ReviseOrderRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let note = violations.field("note", &request.note);
        if note.as_ref().is_some_and(Note::is_empty) {
            violations.add("note", "expected what has to change");
        }
        violations.finish(order_id.zip(note).map(|(order_id, note)| Self { order_id, note }))
    }
}
