//! Asks billing which plan a customer has: it decides how soon somebody replies.

use std::time::Duration;

use levqor_proto_billing::v1::{
    CheckEntitlementRequest, entitlement::Feature, subscription_service_client::SubscriptionServiceClient,
};
use levqor_runtime::{
    chassis::Chassis,
    client::Outgoing,
    context::{Actor, Ctx, Role},
};

use crate::domain::plan::Plan;

/// How long to wait for billing.
const PATIENCE: Duration = Duration::from_millis(800);

/// The plan of the caller. Without an answer of billing, the caller is treated as a Starter customer: nobody waits for billing to get
/// to a person.
pub(crate) async fn of_caller(chassis: &Chassis, ctx: &Ctx) -> Plan {
    match &ctx.actor {
        Actor::User(user) if user.role == Role::Customer => {
            ask(chassis, ctx, &user.sub).await.unwrap_or(Plan::Starter)
        }
        Actor::User(_) | Actor::Anonymous | Actor::Service(_) => Plan::Starter,
    }
}

async fn ask(chassis: &Chassis, ctx: &Ctx, sub: &str) -> Option<Plan> {
    let channel = chassis.channels.get("billing")?;
    let token = chassis.tokens.mint(chassis.service, "billing").ok()?;
    let outgoing = Outgoing {
        bearer: Some(&token),
        request_id: &ctx.request_id,
        idempotency_key: None,
        timeout: PATIENCE,
    };
    let request = CheckEntitlementRequest { sub: sub.to_owned(), feature: Feature::PrioritySupport.into() };
    let mut client = SubscriptionServiceClient::new(channel);
    let answer = tokio::time::timeout(PATIENCE, client.check_entitlement(outgoing.request(request))).await;
    Some(answer.ok()?.ok()?.into_inner().plan().into())
}
