//! Cancels the caller's subscription at the end of the period that is paid. It is written without `mutate`, because Stripe
//! is asked between two transactions; `subscribing.rs` has the steps.

use levqor_proto_billing::v1::{CancelSubscriptionRequest, CancelSubscriptionResponse};
use levqor_runtime::context::Ctx;
use serde_json::json;

use crate::{Billing, checkout::TimeBudget, domain::subscription::Action, error::Error};

pub(super) async fn cancel_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: CancelSubscriptionRequest,
) -> Result<CancelSubscriptionResponse, Error> {
    let params = json!({"cancel_at_period_end": true});
    let subscription =
        billing.update_subscription(&ctx, &request, Action::Cancel, &params, &TimeBudget::begin()).await?;
    Ok(CancelSubscriptionResponse { subscription: Some(subscription.into()) })
}
