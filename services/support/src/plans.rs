//! Asks billing for the plan of a customer, which decides how soon a person replies.

use std::time::Duration;

use levqor_proto_billing::v1::{
    CheckEntitlementRequest, entitlement::Feature, subscription_service_client::SubscriptionServiceClient,
};
use levqor_runtime::{
    chassis::{Chassis, Unanswered},
    context::{Actor, Ctx, Role},
};

use crate::domain::plan::Plan;

/// How long to wait for billing.
const TIMEOUT: Duration = Duration::from_millis(800);

/// The plan of the caller. Without an answer of billing, the caller is treated as a Starter customer: no caller waits for billing to get
/// to a person.
pub(crate) async fn of_caller(chassis: &Chassis, ctx: &Ctx) -> Plan {
    match &ctx.actor {
        Actor::User(user) if user.role == Role::Customer => {
            ask(chassis, ctx, &user.sub).await.unwrap_or_else(|why| {
                tracing::warn!(
                    reason = why.reason(),
                    "a customer is treated as on the plan Starter: billing did not say the plan"
                );
                Plan::Starter
            })
        }
        Actor::User(_) | Actor::Anonymous | Actor::Service(_) => Plan::Starter,
    }
}

async fn ask(chassis: &Chassis, ctx: &Ctx, sub: &str) -> Result<Plan, Unanswered> {
    let request = CheckEntitlementRequest { sub: sub.to_owned(), feature: Feature::PrioritySupport.into() };
    let answer = chassis.ask("billing", &ctx.request_id, TIMEOUT, request, async |channel, request| {
        SubscriptionServiceClient::new(channel).check_entitlement(request).await
    });
    Ok(answer.await?.plan().into())
}
