//! Updates the draft of the intake form of a link's order. The link is the only permission that it needs.

use levqor_proto_billing::v1::{UpdateLinkedOrderIntakeRequest, UpdateLinkedOrderIntakeResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    rpc::{Done, mutate},
};

use super::update_order_intake::{DRAFT, save, screen};
use crate::{Billing, error::Error, order_links, store::orders};

pub(super) async fn update_linked_order_intake(
    billing: &Billing,
    ctx: Ctx,
    request: UpdateLinkedOrderIntakeRequest,
) -> Result<UpdateLinkedOrderIntakeResponse, Error> {
    let screened = screen(billing, &ctx, &request.answers).await?;
    mutate(billing, &ctx, &request, async |tx| {
        let order_id = order_links::order_of(tx, &request.link_token).await?;
        let order = orders::lock(tx, &Scope::All, order_id).await?.ok_or(Error::LinkNotFound)?;
        let intake = save(tx, &order, request.answers.clone(), &screened).await?;
        Ok(Done::unaudited(UpdateLinkedOrderIntakeResponse { intake: Some(intake) }, DRAFT))
    })
    .await
}
