//! Gets the withdrawal from the order of a link. The link is the only permission that it needs.

use levqor_proto_billing::v1::{GetLinkedOrderWithdrawalRequest, GetLinkedOrderWithdrawalResponse};
use levqor_runtime::context::{Ctx, Scope};

use crate::{Billing, error::Error, order_links, store::orders, withdrawing};

pub(super) async fn get_linked_order_withdrawal(
    billing: &Billing,
    _: Ctx,
    request: GetLinkedOrderWithdrawalRequest,
) -> Result<GetLinkedOrderWithdrawalResponse, Error> {
    let mut tx = billing.chassis.db.begin().await?;
    let order_id = order_links::order_of(&mut tx, &request.link_token).await?;
    let order = orders::get(&mut tx, &Scope::All, order_id).await?.ok_or(Error::LinkNotFound)?;
    let shown = withdrawing::of_order(&mut tx, &order).await?;
    tx.commit().await?;
    let (withdrawal, offer) = shown.seen_by((&order.terms.customer_email, &order.terms.customer_name));
    Ok(GetLinkedOrderWithdrawalResponse { withdrawal, offer })
}
