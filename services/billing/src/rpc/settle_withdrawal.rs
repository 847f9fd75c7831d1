//! Settles a withdrawal, by a deferred call that is made again until Stripe has answered: a subscription ends at Stripe, and what
//! was paid is paid back. Each step first looks whether it was done before, and is not done again.

use levqor_proto_billing::v1::{SettleWithdrawalRequest, SettleWithdrawalResponse};
use levqor_runtime::{context::Ctx, request};

use crate::{Billing, domain::withdrawal::About, error::Error, store::withdrawals, withdrawing};

pub(super) async fn settle_withdrawal(
    billing: &Billing,
    _: Ctx,
    request: SettleWithdrawalRequest,
) -> Result<SettleWithdrawalResponse, Error> {
    let id = request::id("withdrawal_id", &request.withdrawal_id)?;
    let mut tx = billing.chassis.db.begin().await?;
    let withdrawal = withdrawals::get(&mut tx, id).await?.ok_or(Error::WithdrawalNotFound)?;
    let state = match withdrawal.about {
        About::Order(order) => {
            let state = withdrawing::settle_order(&mut tx, id, order).await?;
            tx.commit().await?;
            state
        }
        About::Subscription(subscription) => {
            tx.commit().await?;
            billing.settle_subscription(&withdrawal, subscription).await?
        }
    };
    Ok(SettleWithdrawalResponse { state: state.into() })
}
