//! Checks whether a person with an address has bought: paid an order, or begun a subscription. Support asks before it advertises to
//! a person who requested the free guide. It names no order, and takes no scope, because it acts for no person.

use levqor_proto_billing::v1::{CheckPurchaseRequest, CheckPurchaseResponse};
use levqor_runtime::{
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
};

use crate::{
    Billing,
    error::Error,
    store::{orders::upgrades, subscriptions},
};

pub(super) async fn check_purchase(
    billing: &Billing,
    _: Ctx,
    request: CheckPurchaseRequest,
) -> Result<CheckPurchaseResponse, Error> {
    let Question { email } = (&request).try_into()?;
    let mut conn = billing.chassis.db.acquire().await?;
    let has_bought =
        subscriptions::has_begun(&mut conn, &email).await? || upgrades::has_paid(&mut conn, &email).await?;
    Ok(CheckPurchaseResponse { has_bought })
}

struct Question {
    email: Email,
}

impl TryFrom<&CheckPurchaseRequest> for Question {
    type Error = Invalid;

    fn try_from(request: &CheckPurchaseRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        violations.finish(email.map(|email| Self { email }))
    }
}
