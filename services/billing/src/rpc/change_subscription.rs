//! Changes the plan, the term and the add-ons of the caller's subscription. It does not use `mutate`, because it calls Stripe
//! between two transactions; `subscribing.rs` has the steps.

use levqor_proto_billing::v1::{ChangeSubscriptionRequest, ChangeSubscriptionResponse};
use levqor_runtime::{context::Ctx, error::Violations};

use crate::{
    Billing,
    checkout::TimeBudget,
    domain::{buyer::Buyer, plan::Package, subscription::Action},
    error::Error,
};

pub(super) async fn change_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: ChangeSubscriptionRequest,
) -> Result<ChangeSubscriptionResponse, Error> {
    let time_budget = TimeBudget::begin();
    let mut violations = Violations::new();
    let package = Package::read(&mut violations, "", request.plan, request.term, &request.add_ons);
    let package = violations.finish(package)?;
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
    let subscription = if let Some(known) = billing.known_update(&ctx, &request, &buyer, &time_budget).await?
    {
        known
    } else {
        let change = billing.change(&buyer, &package, &time_budget).await?;
        billing.update_subscription(&ctx, &request, Action::Change, &change.params, &time_budget).await?
    };
    Ok(ChangeSubscriptionResponse { subscription: Some(subscription.into()) })
}
