//! Resumes the caller's subscription, which was to end with its period. It is written without `mutate`, because Stripe
//! is asked between two transactions; `subscribing.rs` has the steps.

use levqor_proto_billing::v1::{ResumeSubscriptionRequest, ResumeSubscriptionResponse};
use levqor_runtime::context::Ctx;
use serde_json::json;

use crate::{Billing, checkout::Patience, domain::subscription::Action, error::Error};

pub(super) async fn resume_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: ResumeSubscriptionRequest,
) -> Result<ResumeSubscriptionResponse, Error> {
    let params = json!({"cancel_at_period_end": false});
    let subscription =
        billing.update_subscription(&ctx, &request, Action::Resume, &params, &Patience::begin()).await?;
    Ok(ResumeSubscriptionResponse { subscription: Some(subscription.into()) })
}
