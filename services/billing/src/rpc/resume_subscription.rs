//! Resumes the caller's subscription, which was to end. It is written without `mutate`, because Stripe is asked between two
//! transactions; `subscribing.rs` has the steps.

use levqor_proto_billing::v1::{ResumeSubscriptionRequest, ResumeSubscriptionResponse};
use levqor_runtime::context::Ctx;

use crate::{
    Billing,
    checkout::TimeBudget,
    domain::{buyer::Buyer, subscription::Action},
    error::Error,
};

pub(super) async fn resume_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: ResumeSubscriptionRequest,
) -> Result<ResumeSubscriptionResponse, Error> {
    let time_budget = TimeBudget::begin();
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
    let subscription = if let Some(known) = billing.known_update(&ctx, &request, &buyer, &time_budget).await?
    {
        known
    } else {
        let params = billing.resumption(&buyer, &time_budget).await?;
        billing.update_subscription(&ctx, &request, Action::Resume, &params, &time_budget).await?
    };
    Ok(ResumeSubscriptionResponse { subscription: Some(subscription.into()) })
}
