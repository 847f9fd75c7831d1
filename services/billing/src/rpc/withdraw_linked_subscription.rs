//! Withdraws from the subscription of a link, as `GetLinkedSubscriptionWithdrawal` showed it. The link is the only permission that it
//! needs. Before its transaction begins, this RPC reads the payments from Stripe.

use levqor_proto_billing::v1::{WithdrawLinkedSubscriptionRequest, WithdrawLinkedSubscriptionResponse};
use levqor_runtime::{
    context::Ctx,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    error::Error,
    subscription_links,
    withdrawing::{self, Made},
};

pub(super) async fn withdraw_linked_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: WithdrawLinkedSubscriptionRequest,
) -> Result<WithdrawLinkedSubscriptionResponse, Error> {
    let (_, shown) = billing.withdrawal_of_linked_subscription(&request.link_token).await?;
    let (link_token, etag) = (request.link_token.clone(), request.etag.clone());
    mutate(billing, &ctx, &request, async move |tx| {
        // Found again, because the link may have been revoked while Stripe was asked.
        let subscription_id = subscription_links::subscription_of(tx, &link_token).await?;
        let Made { withdrawal, is_new } =
            withdrawing::withdraw_subscription(tx, subscription_id, shown, &etag).await?;
        let withdrawal_id = withdrawal.id;
        let response = WithdrawLinkedSubscriptionResponse { withdrawal: Some(withdrawal.into()) };
        if !is_new {
            return Ok(Done::unaudited(response, "the withdrawal was made and audited by an earlier call"));
        }
        let ids: [(_, &dyn std::fmt::Display); 2] =
            [("subscription_id", &subscription_id), ("withdrawal_id", &withdrawal_id)];
        Ok(Done::audited(response, "subscription.withdraw", &ids))
    })
    .await
}
