//! Delivers the work of an order, for staff. Every point of the checklist must be confirmed.

use levqor_proto_billing::v1::{DeliverOrderRequest, DeliverOrderResponse, deliver_order_request};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::{
        order::{Checklist, OrderId},
        order_event::Kind,
    },
    error::Error,
    order_steps::{self, Note},
    store::orders,
};

pub(super) async fn deliver_order(
    billing: &Billing,
    ctx: Ctx,
    request: DeliverOrderRequest,
) -> Result<DeliverOrderResponse, Error> {
    let Command { order_id, note } = Command::try_from(&request)?;
    mutate(billing, &ctx, &request, async |tx| {
        let mut order = orders::lock(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        order.deliver(tx.now().await?)?;
        order_steps::save(billing, tx, &order, Kind::Delivered, order_steps::party(&ctx), note.as_str())
            .await?;
        let response = DeliverOrderResponse { order: Some(order.seen_by(&ctx.scope())) };
        Ok(Done::audited(response, "order.deliver", &[("order_id", &order_id)]))
    })
    .await
}

/// A delivery whose checklist is confirmed.
struct Command {
    order_id: OrderId,
    note: Note,
}

impl TryFrom<&DeliverOrderRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &DeliverOrderRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        for point in Checklist::from(request.checklist.unwrap_or_default()).open_points() {
            violations.add(&format!("checklist.{point}"), "expected true: a delivery needs every point");
        }
        let note = violations.field("note", &request.note);
        let command = order_id.zip(note).map(|(order_id, note)| Self { order_id, note });
        violations.finish(command)
    }
}

impl From<deliver_order_request::Checklist> for Checklist {
    fn from(checklist: deliver_order_request::Checklist) -> Self {
        let deliver_order_request::Checklist { tested, error_free, naming, documented } = checklist;
        Self { tested, error_free, naming, documented }
    }
}
