//! Gets the order of a link, with its intake form, history and files. The link is the only permission that it needs.

use levqor_proto_billing::v1::{self as wire, GetLinkedOrderRequest, GetLinkedOrderResponse};
use levqor_runtime::context::{Ctx, Scope};

use super::get_order_intake::intake;
use crate::{
    Billing,
    domain::order::Order,
    error::Error,
    order_links,
    store::{order_events, order_files, order_intakes, orders},
};

pub(super) async fn get_linked_order(
    billing: &Billing,
    _: Ctx,
    request: GetLinkedOrderRequest,
) -> Result<GetLinkedOrderResponse, Error> {
    let mut conn = billing.chassis.db.acquire().await?;
    let order_id = order_links::order_of(&mut conn, &request.link_token).await?;
    let order = orders::get(&mut conn, &Scope::All, order_id).await?.ok_or(Error::LinkNotFound)?;
    let draft = order_intakes::get(&mut conn, order.id).await?;
    let events = order_events::list(&mut conn, order.id).await?;
    let files = order_files::list(&mut conn, order.id).await?;
    Ok(GetLinkedOrderResponse {
        intake: Some(intake(&order, draft)),
        order: Some(order.seen_by_link()),
        events: events.into_iter().map(Into::into).collect(),
        files: files.into_iter().map(Into::into).collect(),
    })
}

impl Order {
    /// The order as it is shown to everybody who has a link to it: without the ids of the customer and of the checkout session at
    /// Stripe.
    pub(super) fn seen_by_link(self) -> wire::Order {
        wire::Order {
            stripe_customer_id: String::new(),
            stripe_checkout_session_id: String::new(),
            ..self.into()
        }
    }
}
