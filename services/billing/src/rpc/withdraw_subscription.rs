//! Withdraws from the caller's subscription, as `GetSubscriptionWithdrawal` showed it. From then on the subscription entitles to
//! nothing. It is ended at Stripe and paid back afterwards. Before its transaction begins, this RPC reads the payments from Stripe.

use levqor_proto_billing::v1::{WithdrawSubscriptionRequest, WithdrawSubscriptionResponse};
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    error::Error,
    withdrawing::{self, Made},
};

pub(super) async fn withdraw_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: WithdrawSubscriptionRequest,
) -> Result<WithdrawSubscriptionResponse, Error> {
    let (row, shown) = billing.withdrawal_of_subscription(&ctx.actor).await?;
    let etag = request.etag.clone();
    mutate(billing, &ctx, &request, async move |tx| {
        let Made { withdrawal, is_new } =
            withdrawing::withdraw_subscription(tx, row.id, shown, &etag).await?;
        let withdrawal_id = withdrawal.id;
        let response = WithdrawSubscriptionResponse { withdrawal: Some(withdrawal.into()) };
        if !is_new {
            return Ok(Done::unaudited(response, "the withdrawal was made and audited by an earlier call"));
        }
        let ids: [(_, &dyn std::fmt::Display); 2] =
            [("subscription_id", &row.id), ("withdrawal_id", &withdrawal_id)];
        Ok(Done::audited(response, "subscription.withdraw", &ids))
    })
    .await
}
