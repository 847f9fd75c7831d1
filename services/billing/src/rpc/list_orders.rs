//! Lists orders, newest first. A customer sees their own only, whatever they filter by.

use std::sync::Arc;

use levqor_proto_billing::v1::{ListOrdersRequest, ListOrdersResponse, order};
use levqor_runtime::{
    context::{Ctx, Scope},
    db::Page,
    error::{Invalid, Violations},
};

use crate::{
    Billing,
    domain::order::State,
    error::Error,
    store::orders::{self, Filter},
};

pub(super) async fn list_orders(
    billing: Arc<Billing>,
    ctx: Ctx,
    request: ListOrdersRequest,
) -> Result<ListOrdersResponse, Error> {
    let scope = ctx.scope();
    let Query { filter, page } = (&scope, request).try_into()?;
    let mut tx = billing.chassis.db.begin_list().await?;
    orders::claim(&mut tx, &scope).await?;
    let mut orders = orders::list(&mut tx, &scope, &filter, page).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut orders, |order| order.place);
    let orders = orders.into_iter().filter_map(|order| order.row);
    Ok(ListOrdersResponse { orders: orders.map(|order| order.seen_by(&scope)).collect(), next_page_token })
}

struct Query {
    filter: Filter,
    page: Page,
}

impl TryFrom<(&Scope, ListOrdersRequest)> for Query {
    type Error = Invalid;

    fn try_from((scope, request): (&Scope, ListOrdersRequest)) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let state = match order::State::try_from(request.state) {
            Ok(order::State::Unspecified) => None,
            Ok(order::State::PendingPayment) => Some(State::PendingPayment),
            Ok(order::State::Paid) => Some(State::Paid),
            Ok(order::State::Cancelled) => Some(State::Cancelled),
            Err(_) => {
                violations.add("state", "expected STATE_PENDING_PAYMENT, STATE_PAID or STATE_CANCELLED");
                None
            }
        };
        let customer_email = match request.customer_email.as_str() {
            "" => None,
            text => violations.parse("customer_email", text, "a mail address"),
        };
        let stripe_checkout_session_id = match request.stripe_checkout_session_id.as_str() {
            "" => None,
            text => violations.parse("stripe_checkout_session_id", text, "a checkout session's id"),
        };
        let page = Page::parse_owned(&mut violations, &request, scope);
        let filter = Filter { state, customer_email, stripe_checkout_session_id };
        violations.finish(page.map(|page| Self { filter, page }))
    }
}
