//! Revokes all links to the caller's own subscription, or for staff to that of a customer.

use levqor_proto_billing::v1::{RevokeSubscriptionLinksRequest, RevokeSubscriptionLinksResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::buyer::Buyer,
    error::Error,
    store::{subscription_links, subscriptions},
    subscribing::Customer,
};

pub(super) async fn revoke_subscription_links(
    billing: &Billing,
    ctx: Ctx,
    request: RevokeSubscriptionLinksRequest,
) -> Result<RevokeSubscriptionLinksResponse, Error> {
    let Command { of } = Command::try_from(&request)?;
    let found = if let Some(email) = of.filter(|_| ctx.scope().is_all()) {
        billing.subscription_for_staff(&Customer::Address(email)).await?
    } else {
        let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
        billing.subscription_of(&buyer).await?
    };
    let id = found.ok_or(Error::SubscriptionNotFound)?.id;
    mutate(billing, &ctx, &request, async |tx| {
        subscriptions::lock(tx, id).await?.ok_or(Error::SubscriptionNotFound)?;
        let revoked = subscription_links::revoke_all(tx, id).await?;
        let response =
            RevokeSubscriptionLinksResponse { revoked: i64::try_from(revoked).unwrap_or(i64::MAX) };
        Ok(Done::audited(response, "subscription_link.revoke", &[("subscription_id", &id)]))
    })
    .await
}

/// The address of the subscription. None: the caller's.
struct Command {
    of: Option<Email>,
}

impl TryFrom<&RevokeSubscriptionLinksRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RevokeSubscriptionLinksRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let of = violations.filter("customer_email", &request.customer_email);
        violations.finish(Some(Self { of }))
    }
}
