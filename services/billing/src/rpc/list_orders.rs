//! Lists orders, newest first. Customers see only their own, whatever the filter.

use levqor_proto_billing::v1::{ListOrdersRequest, ListOrdersResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Page},
    error::{Invalid, Violations},
    rpc::list,
};

use super::check_entitlement::LONGEST_SUB;
use crate::{
    Billing,
    error::Error,
    store::orders::{self, Filter},
};

pub(super) async fn list_orders(
    billing: &Billing,
    ctx: Ctx,
    request: ListOrdersRequest,
) -> Result<ListOrdersResponse, Error> {
    let scope = ctx.scope();
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        orders::claim(tx, &scope).await?;
        orders::list(tx, &scope, filter, page).await
    };
    list(billing, &ctx, &request, store, |orders, next_page_token| ListOrdersResponse {
        orders: orders.into_iter().map(|order| order.seen_by(&scope)).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListOrdersRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListOrdersRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        if request.owner_sub.len() > LONGEST_SUB {
            violations.add("owner_sub", "expected the id of a person at the identity provider");
        }
        let filter = Self {
            payment_state: violations.filter_enum("payment_state", request.payment_state),
            fulfilment_state: violations.filter_enum("fulfilment_state", request.fulfilment_state),
            customer_email: violations.filter("customer_email", &request.customer_email),
            stripe_checkout_session_id: violations
                .filter("stripe_checkout_session_id", &request.stripe_checkout_session_id),
            owner_sub: Some(request.owner_sub.clone()).filter(|sub| !sub.is_empty()),
        };
        violations.finish(Some(filter))
    }
}
