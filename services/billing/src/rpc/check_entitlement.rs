//! Checks whether a person is entitled to one feature. This check alone enforces limits and suspensions.

use levqor_proto_billing::v1::{CheckEntitlementRequest, CheckEntitlementResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{Billing, domain::plan::Feature, error::Error};

/// The longest `sub` (`OpenID` Connect Core, 2).
pub(super) const LONGEST_SUB: usize = 255;

pub(super) async fn check_entitlement(
    billing: &Billing,
    _: Ctx,
    request: CheckEntitlementRequest,
) -> Result<CheckEntitlementResponse, Error> {
    let Question { sub, feature } = Question::try_from(&request)?;
    let mut tx = billing.chassis.db.begin().await?;
    let entitled = billing.entitled(&mut tx, &sub).await?;
    tx.commit().await?;
    let plan = entitled.subscription.as_ref().map(|subscription| subscription.package.plan.into());
    Ok(CheckEntitlementResponse {
        entitlement: Some(entitled.to_wire(feature)),
        plan: plan.unwrap_or_default(),
    })
}

struct Question {
    sub: String,
    feature: Feature,
}

impl TryFrom<&CheckEntitlementRequest> for Question {
    type Error = Invalid;

    fn try_from(request: &CheckEntitlementRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let sub = request.sub.clone();
        if sub.is_empty() || sub.len() > LONGEST_SUB {
            violations.add("sub", "expected the id of a person at the identity provider");
        }
        let feature = violations.field_enum("feature", request.feature);
        violations.finish(feature.map(|feature| Self { sub, feature }))
    }
}
