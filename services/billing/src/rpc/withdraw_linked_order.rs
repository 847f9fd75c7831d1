//! Withdraws from the order that a link is for, as `GetLinkedOrderWithdrawal` showed it. Everybody who has the link may make this call.

use levqor_proto_billing::v1::{WithdrawLinkedOrderRequest, WithdrawLinkedOrderResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::order_event::Party,
    error::Error,
    order_links,
    withdrawing::{self, Made},
};

pub(super) async fn withdraw_linked_order(
    billing: &Billing,
    ctx: Ctx,
    request: WithdrawLinkedOrderRequest,
) -> Result<WithdrawLinkedOrderResponse, Error> {
    mutate(billing, &ctx, &request, async |tx| {
        let order_id = order_links::order_of(tx, &request.link_token).await?;
        let order = withdrawing::lock_order(tx, &Scope::All, order_id).await?;
        let Made { withdrawal, is_new } =
            withdrawing::withdraw_order(billing, tx, order, &request.etag, Party::Customer).await?;
        let withdrawal_id = withdrawal.id;
        let response = WithdrawLinkedOrderResponse { withdrawal: Some(withdrawal.into()) };
        if !is_new {
            return Ok(Done::unaudited(response, "the withdrawal was made and audited by an earlier call"));
        }
        let ids: [(_, &dyn std::fmt::Display); 2] =
            [("order_id", &order_id), ("withdrawal_id", &withdrawal_id)];
        Ok(Done::audited(response, "order.withdraw", &ids))
    })
    .await
}
