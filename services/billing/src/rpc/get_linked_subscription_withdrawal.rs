//! Gets the withdrawal from the subscription of a link. The link is the only permission that it needs.

use levqor_proto_billing::v1::{
    GetLinkedSubscriptionWithdrawalRequest, GetLinkedSubscriptionWithdrawalResponse,
};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error};

pub(super) async fn get_linked_subscription_withdrawal(
    billing: &Billing,
    _: Ctx,
    request: GetLinkedSubscriptionWithdrawalRequest,
) -> Result<GetLinkedSubscriptionWithdrawalResponse, Error> {
    let (row, shown) = billing.withdrawal_of_linked_subscription(&request.link_token).await?;
    let (withdrawal, offer) = shown.seen_by((&row.customer_email, &row.customer_name));
    Ok(GetLinkedSubscriptionWithdrawalResponse { withdrawal, offer })
}
