//! Gets the withdrawal from the caller's subscription: the one that was made, or the one that can be made now.

use levqor_proto_billing::v1::{GetSubscriptionWithdrawalRequest, GetSubscriptionWithdrawalResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error};

pub(super) async fn get_subscription_withdrawal(
    billing: &Billing,
    ctx: Ctx,
    _: GetSubscriptionWithdrawalRequest,
) -> Result<GetSubscriptionWithdrawalResponse, Error> {
    let (row, shown) = billing.withdrawal_of_subscription(&ctx.actor).await?;
    let (withdrawal, offer) = shown.seen_by((&row.customer_email, &row.customer_name));
    Ok(GetSubscriptionWithdrawalResponse { withdrawal, offer })
}
