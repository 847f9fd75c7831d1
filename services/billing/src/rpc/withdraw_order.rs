//! Withdraws from one order, as `GetOrderWithdrawal` showed it: the second of the two steps of the Consumer Rights Directive,
//! article 11a. The order ends at once, the customer gets a receipt by mail, and the money is paid back afterwards.

use levqor_proto_billing::v1::{WithdrawOrderRequest, WithdrawOrderResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    error::Error,
    order_steps,
    withdrawing::{self, Made},
};

pub(super) async fn withdraw_order(
    billing: &Billing,
    ctx: Ctx,
    request: WithdrawOrderRequest,
) -> Result<WithdrawOrderResponse, Error> {
    let order_id = id("order_id", &request.order_id)?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = withdrawing::lock_order(tx, &ctx.scope(), order_id).await?;
        let party = order_steps::party(&ctx);
        let Made { withdrawal, is_new } =
            withdrawing::withdraw_order(billing, tx, order, &request.etag, party).await?;
        let withdrawal_id = withdrawal.id;
        let response = WithdrawOrderResponse { withdrawal: Some(withdrawal.into()) };
        if !is_new {
            return Ok(Done::unaudited(response, "the withdrawal was made and audited by an earlier call"));
        }
        let ids: [(_, &dyn std::fmt::Display); 2] =
            [("order_id", &order_id), ("withdrawal_id", &withdrawal_id)];
        Ok(Done::audited(response, "order.withdraw", &ids))
    })
    .await
}
