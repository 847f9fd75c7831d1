//! Lists refunds, newest first, for staff.

use levqor_proto_billing::v1::{self as wire, ListRefundsRequest, ListRefundsResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
    timestamp,
};

use crate::{
    Billing,
    domain::refund::Refund,
    error::Error,
    store::refunds::{self, Filter},
};

pub(super) async fn list_refunds(
    billing: &Billing,
    ctx: Ctx,
    request: ListRefundsRequest,
) -> Result<ListRefundsResponse, Error> {
    list(billing, &ctx, &request, refunds::list, |refunds, next_page_token| ListRefundsResponse {
        refunds: refunds.into_iter().map(Into::into).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListRefundsRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListRefundsRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self {
            state: violations.filter_enum("state", request.state),
            order_id: violations.filter("order_id", &request.order_id),
        };
        violations.finish(Some(filter))
    }
}

impl From<Refund> for wire::Refund {
    fn from(refund: Refund) -> Self {
        Self {
            refund_id: refund.id.to_string(),
            order_id: refund.order_id.map(|id| id.to_string()).unwrap_or_default(),
            state: refund.state.into(),
            amount: Some(refund.amount.into()),
            reason: refund.reason,
            origin: refund.origin.into(),
            stripe_refund_id: refund.stripe_refund_id.map(|id| id.to_string()).unwrap_or_default(),
            failure: refund.failure.unwrap_or_default(),
            create_time: Some(timestamp(refund.create_time)),
            update_time: Some(timestamp(refund.update_time)),
        }
    }
}
