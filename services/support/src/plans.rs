//! Asks billing which plan a customer has: it decides how soon somebody replies.

use std::time::Duration;

use levqor_proto_billing::v1::{
    CheckEntitlementRequest, entitlement::Feature, subscription_service_client::SubscriptionServiceClient,
};
use levqor_runtime::{
    chassis::Chassis,
    client::Peer,
    context::{Actor, Ctx, Role},
};
use tonic::Request;

use crate::{domain::plan::Plan, peers};

/// How long to wait for billing.
const PATIENCE: Duration = Duration::from_millis(800);

/// The plan of the caller. Without an answer of billing, the caller is treated as a Starter customer: nobody waits for billing to get
/// to a person.
pub(crate) async fn of_caller(chassis: &Chassis, ctx: &Ctx) -> Plan {
    match &ctx.actor {
        Actor::User(user) if user.role == Role::Customer => {
            ask(chassis, ctx, &user.sub).await.unwrap_or_else(|reason| {
                tracing::warn!(
                    reason,
                    "a customer is treated as on the plan Starter: billing did not say the plan"
                );
                Plan::Starter
            })
        }
        Actor::User(_) | Actor::Anonymous | Actor::Service(_) => Plan::Starter,
    }
}

async fn ask(chassis: &Chassis, ctx: &Ctx, sub: &str) -> Result<Plan, &'static str> {
    let check = |channel: Peer, request: Request<CheckEntitlementRequest>| async move {
        SubscriptionServiceClient::new(channel).check_entitlement(request).await
    };
    let request = CheckEntitlementRequest { sub: sub.to_owned(), feature: Feature::PrioritySupport.into() };
    let answer = peers::ask(chassis, "billing", &ctx.request_id, PATIENCE, request, check).await?;
    Ok(answer.plan().into())
}
