//! Makes a stored refund at Stripe, by a deferred call: it is made again until Stripe has answered.

use std::time::Duration;

use levqor_proto_billing::v1::{MakeRefundRequest, MakeRefundResponse};
use levqor_runtime::{context::Ctx, request};

use crate::{
    Billing,
    domain::{
        operation::{Kind, OperationState},
        refund::RefundId,
    },
    error::Error,
    store::{operations, refunds},
};

/// How long Stripe may take.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn make_refund(
    billing: &Billing,
    _: Ctx,
    request: MakeRefundRequest,
) -> Result<MakeRefundResponse, Error> {
    let id: RefundId = request::id("refund_id", &request.refund_id)?;
    let mut tx = billing.chassis.db.begin().await?;
    let operation = operations::newest(&mut tx, id.as_uuid(), Kind::Refund).await?;
    tx.commit().await?;
    let operation = operation.ok_or(Error::RefundNotFound)?;
    if operation.state == OperationState::Requested {
        match billing.carry_out(&operation, TIMEOUT).await {
            // That Stripe refuses is stored with the refund: staff see it, and trying again would not help.
            Ok(_) | Err(Error::StripeRefused | Error::PaymentDeclined) => {}
            Err(error) => return Err(error),
        }
    }
    let mut tx = billing.chassis.db.begin().await?;
    let refund = refunds::lock(&mut tx, id).await?.ok_or(Error::RefundNotFound)?;
    tx.commit().await?;
    Ok(MakeRefundResponse { state: refund.state.into() })
}
