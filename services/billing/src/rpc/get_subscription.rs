//! Gets the caller's own subscription, or for staff that of a customer: the live one, or else the last one.

use levqor_proto_billing::v1::{self as wire, GetSubscriptionRequest, GetSubscriptionResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    timestamp,
};

use super::check_entitlement::LONGEST_SUB;
use crate::{
    Billing,
    domain::{buyer::Buyer, subscription::Subscription},
    error::Error,
    subscribing::Customer,
};

pub(super) async fn get_subscription(
    billing: &Billing,
    ctx: Ctx,
    request: GetSubscriptionRequest,
) -> Result<GetSubscriptionResponse, Error> {
    let Query { of } = Query::try_from(&request)?;
    let subscription = if let Some(customer) = of.filter(|_| ctx.scope().is_all()) {
        billing.subscription_for_staff(&customer).await?
    } else {
        let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
        billing.subscription_of(&buyer).await?
    };
    let subscription = subscription.ok_or(Error::SubscriptionNotFound)?;
    Ok(GetSubscriptionResponse { subscription: Some(subscription.into()) })
}

/// Whose subscription. None: the caller's.
struct Query {
    of: Option<Customer>,
}

impl TryFrom<&GetSubscriptionRequest> for Query {
    type Error = Invalid;

    fn try_from(request: &GetSubscriptionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.filter("customer_email", &request.customer_email);
        let sub = &request.owner_sub;
        if sub.len() > LONGEST_SUB {
            violations.add("owner_sub", "expected the id of a person at the identity provider");
        }
        if !sub.is_empty() && email.is_some() {
            violations.add("customer_email", "expected no address beside an owner");
        }
        let of = if sub.is_empty() { email.map(Customer::Address) } else { Some(Customer::Sub(sub.clone())) };
        violations.finish(Some(Self { of }))
    }
}

impl From<Subscription> for wire::Subscription {
    fn from(subscription: Subscription) -> Self {
        let package = subscription.package;
        Self {
            subscription_id: subscription.id.to_string(),
            state: subscription.state.into(),
            plan: package.plan.into(),
            term: package.term.into(),
            add_ons: package.add_ons.into_iter().map(Into::into).collect(),
            start_time: subscription.start_time.map(timestamp),
            current_period_start_time: subscription.period_start_time.map(timestamp),
            current_period_end_time: subscription.period_end_time.map(timestamp),
            cancel_time: subscription.cancel_time.map(timestamp),
            end_time: subscription.end_time.map(timestamp),
            create_time: Some(timestamp(subscription.create_time)),
            update_time: Some(timestamp(subscription.update_time)),
        }
    }
}
