//! Gets the caller's entitlements.

use levqor_proto_billing::v1::{
    self as wire, GetEntitlementsRequest, GetEntitlementsResponse, entitlement::Refusal as WireRefusal,
};
use levqor_runtime::{context::Ctx, timestamp};

use crate::{
    Billing,
    domain::{
        buyer::Buyer,
        entitlement::{Entitled, Refusal},
        plan::{Feature, Limit},
    },
    error::Error,
    store::subscriptions,
};

pub(super) async fn get_entitlements(
    billing: &Billing,
    ctx: Ctx,
    _: GetEntitlementsRequest,
) -> Result<GetEntitlementsResponse, Error> {
    let buyer = Buyer::of(&ctx.actor).ok_or(Error::CustomerNotFound)?;
    let mut tx = billing.chassis.db.begin().await?;
    subscriptions::claim(&mut tx, &buyer).await?;
    let entitled = billing.entitled(&mut tx, buyer.sub()).await?;
    tx.commit().await?;
    let subscription = entitled.subscription.as_ref();
    Ok(GetEntitlementsResponse {
        plan: subscription.map(|of| of.package.plan.into()).unwrap_or_default(),
        state: subscription.map(|of| of.state.into()).unwrap_or_default(),
        entitlements: Feature::ALL.into_iter().map(|feature| entitled.to_wire(feature)).collect(),
        current_period_end_time: subscription.and_then(|of| of.period_end_time).map(timestamp),
    })
}

impl Entitled {
    /// The verdict on one thing.
    pub(super) fn to_wire(&self, feature: Feature) -> wire::Entitlement {
        let verdict = self.to(feature);
        let refusal = match verdict {
            Ok(_) => WireRefusal::Unspecified,
            Err(Refusal::NoSubscription) => WireRefusal::NoSubscription,
            Err(Refusal::NotIncluded) => WireRefusal::NotIncluded,
            Err(Refusal::Disputed) => WireRefusal::Disputed,
        };
        wire::Entitlement {
            feature: feature.into(),
            allowed: verdict.is_ok(),
            limit: verdict.ok().and_then(Limit::number),
            // No product reports its usage.
            used: None,
            refusal: refusal.into(),
        }
    }
}
