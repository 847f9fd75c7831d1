//! Deletes at Stripe the customers of people who were erased, and takes the next step of their redactions. Each erasure defers the call,
//! and a schedule makes it every minute.

use levqor_proto_billing::v1::{DeleteStripeCustomersRequest, DeleteStripeCustomersResponse};
use levqor_runtime::context::Ctx;

use crate::{Billing, error::Error};

pub(super) async fn delete_stripe_customers(
    billing: &Billing,
    ctx: Ctx,
    _: DeleteStripeCustomersRequest,
) -> Result<DeleteStripeCustomersResponse, Error> {
    let deleted = billing.delete_customers(&ctx.actor).await?;
    let redacted = billing.redact_customers(&ctx.actor).await?;
    Ok(DeleteStripeCustomersResponse { deleted, redacted })
}
