//! Finishes the operations at Stripe that a crash or an outage interrupted: each is carried out again, under its own key.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_proto_billing::v1::{FinishStripeOperationsRequest, FinishStripeOperationsResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Billing, customers,
    domain::operation::{Kind, OperationState},
    error::Error,
    store::operations,
};

/// A newer operation is left to the call that stored it, which may still carry it out.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(30);
/// The most operations of one call.
const BATCH: i64 = 20;
/// How long Stripe may take for each.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After this long no other operation is begun: the call has 30 seconds.
const LONGEST: Duration = Duration::from_secs(15);

pub(super) async fn finish_stripe_operations(
    billing: &Billing,
    _: Ctx,
    _: FinishStripeOperationsRequest,
) -> Result<FinishStripeOperationsResponse, Error> {
    let mut tx = billing.chassis.db.begin().await?;
    let unfinished = if billing.stripe.is_some() {
        operations::unfinished(&mut tx, UNDER_WAY, BATCH).await?
    } else {
        Vec::new()
    };
    tx.commit().await?;
    let (mut finished, begun) = (0, Instant::now());
    for listed in unfinished {
        if begun.elapsed() > LONGEST {
            break;
        }
        // Read again: since the list was read, its customer may have wanted something else.
        let mut tx = billing.chassis.db.begin().await?;
        let operation = operations::lock(&mut tx, listed.id).await?;
        let newest = operations::newest(&mut tx, listed.about, listed.kind).await?.map(|newest| newest.id);
        tx.commit().await?;
        let Some(operation) = operation.filter(|operation| operation.state == OperationState::Requested)
        else {
            continue;
        };
        // A crash after the newer address was stored left the older one to be done.
        if operation.kind == Kind::CustomerUpdate && newest.is_some_and(|newest| newest != operation.id) {
            billing.settle_refused(&operation, customers::REPLACED).await?;
            finished += 1;
            continue;
        }
        let outcome = if operation.kind == Kind::Checkout {
            billing.make_session(&operation, TIMEOUT).await
        } else {
            billing.carry_out(&operation, TIMEOUT).await
        };
        match outcome {
            // A refusal is an outcome.
            Ok(_) | Err(Error::StripeRefused | Error::PaymentDeclined | Error::AlreadySubscribed) => {
                finished += 1;
            }
            // An operation that fails each time does not keep the others waiting.
            Err(error) => {
                let mut tx = billing.chassis.db.begin().await?;
                operations::put_back(&mut tx, operation.id).await?;
                tx.commit().await?;
                if !matches!(error, Error::StripeUnavailable(_)) {
                    return Err(error);
                }
            }
        }
    }
    let waiting = operations::count_unfinished(&mut *billing.chassis.db.acquire().await?).await?;
    Ok(FinishStripeOperationsResponse { finished, waiting })
}
