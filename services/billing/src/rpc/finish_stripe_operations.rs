//! Finishes the operations at Stripe that a crash or an outage interrupted: each is carried out again, under its own key.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_proto_billing::v1::{FinishStripeOperationsRequest, FinishStripeOperationsResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error, store::operations};

/// A newer operation is left to the call that stored it, which may still carry it out.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(30);
/// The most operations of one call.
const BATCH: i64 = 20;
/// How long Stripe may take for each.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn finish_stripe_operations(
    billing: &Billing,
    _: Ctx,
    _: FinishStripeOperationsRequest,
) -> Result<FinishStripeOperationsResponse, Error> {
    let mut tx = billing.chassis.db.begin().await?;
    let unfinished = operations::unfinished(&mut tx, UNDER_WAY, BATCH).await?;
    tx.commit().await?;
    let mut finished = 0;
    if billing.stripe.is_some() {
        for operation in unfinished {
            match billing.carry_out(&operation, PATIENCE).await {
                // A refusal is an outcome.
                Ok(_) | Err(Error::StripeRefused | Error::PaymentDeclined) => finished += 1,
                // Stripe would not answer the other operations either. The next slot tries them again.
                Err(Error::StripeUnavailable(_)) => break,
                Err(error) => return Err(error),
            }
        }
    }
    let waiting = operations::count_unfinished(&mut *billing.chassis.db.acquire().await?).await?;
    Ok(FinishStripeOperationsResponse { finished, waiting })
}
