//! Makes a new link to a subscription and mails it to the subscription's address, for staff.

use levqor_proto_billing::v1::{CreateSubscriptionLinkRequest, CreateSubscriptionLinkResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    request,
    rpc::{Done, mutate},
    timestamp,
};

use crate::{
    Billing, domain::subscription::NotInThisState, error::Error, mails, store::subscriptions,
    subscribing::Customer, subscription_links,
};

pub(super) async fn create_subscription_link(
    billing: &Billing,
    ctx: Ctx,
    request: CreateSubscriptionLinkRequest,
) -> Result<CreateSubscriptionLinkResponse, Error> {
    let email: Email = request::id("customer_email", &request.customer_email)?;
    let found = billing.subscription_for_staff(&Customer::Address(email)).await?;
    let id = found.ok_or(Error::SubscriptionNotFound)?.id;
    mutate(billing, &ctx, &request, async |tx| {
        let row = subscriptions::lock(tx, id).await?.ok_or(Error::SubscriptionNotFound)?;
        if !row.state.has_begun() {
            return Err(Error::from(NotInThisState::NotBegun));
        }
        let link = subscription_links::create(tx, &billing.site, &row).await?;
        mails::subscription_access(tx, &row, &link).await?;
        let response = CreateSubscriptionLinkResponse { expire_time: Some(timestamp(link.expire_time)) };
        Ok(Done::audited(response, "subscription_link.create", &[("subscription_id", &id)]))
    })
    .await
}
