//! Creates a session of Stripe's billing portal for the caller. The session changes nothing that lasts, so nothing is stored.

use levqor_proto_billing::v1::{CreateBillingPortalSessionRequest, CreateBillingPortalSessionResponse};
use levqor_runtime::context::Ctx;
use serde_json::{Value, json};

use crate::{
    Billing,
    checkout::TimeBudget,
    domain::buyer::Buyer,
    error::Error,
    operations::unavailable,
    store::{customers, subscriptions},
};

pub(super) async fn create_billing_portal_session(
    billing: &Billing,
    ctx: Ctx,
    _: CreateBillingPortalSessionRequest,
) -> Result<CreateBillingPortalSessionResponse, Error> {
    let time_budget = TimeBudget::begin();
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::CustomerNotFound)?;
    let mut tx = billing.chassis.db.begin().await?;
    subscriptions::claim(&mut tx, &buyer).await?;
    // A person who subscribed as a guest may have two customers at Stripe. The customer of the subscription is preferred.
    let known = customers::stripe_customer_of(&mut tx, buyer.sub()).await?;
    let subscribed = subscriptions::of_owner(&mut tx, buyer.sub()).await?;
    tx.commit().await?;
    let mut live = subscribed.into_iter().filter(|subscription| subscription.state.is_live());
    let customer = live.find_map(|subscription| subscription.stripe_customer_id).or(known);
    let customer = customer.ok_or(Error::CustomerNotFound)?;
    let stripe = billing.stripe()?;
    // The portal shows the address.
    billing.keep_address(&buyer, &time_budget).await;
    let params =
        json!({"customer": customer.as_str(), "return_url": billing.shop.portal_return_url.as_str()});
    let session = stripe.portal_session(&params, time_budget.left()).await;
    let session = session.map_err(|error| unavailable(&error))?;
    let url = session.get("url").and_then(Value::as_str).unwrap_or_default();
    Ok(CreateBillingPortalSessionResponse { url: url.to_owned() })
}
