//! Submits the draft of the intake form of a link's order. The link is the only permission that it needs.

use levqor_proto_billing::v1::{SubmitLinkedOrderIntakeRequest, SubmitLinkedOrderIntakeResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    rpc::{Done, mutate},
};

use super::submit_order_intake::submit;
use crate::{Billing, domain::order_event::Party, error::Error, order_links, store::orders};

pub(super) async fn submit_linked_order_intake(
    billing: &Billing,
    ctx: Ctx,
    request: SubmitLinkedOrderIntakeRequest,
) -> Result<SubmitLinkedOrderIntakeResponse, Error> {
    mutate(billing, &ctx, &request, async |tx| {
        let order_id = order_links::order_of(tx, &request.link_token).await?;
        let mut order = orders::lock(tx, &Scope::All, order_id).await?.ok_or(Error::LinkNotFound)?;
        submit(billing, tx, &mut order, Party::Customer).await?;
        let response = SubmitLinkedOrderIntakeResponse { order: Some(order.seen_by_link()) };
        Ok(Done::audited(response, "order.submit_intake", &[("order_id", &order_id)]))
    })
    .await
}
