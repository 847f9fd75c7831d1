//! Gets one order. A customer gets their own only: somebody else's reads the same as none.

use std::sync::Arc;

use levqor_proto_base::r#type::v1 as wire_type;
use levqor_proto_billing::v1::{self as wire, GetOrderRequest, GetOrderResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    error::{Invalid, Violations},
    timestamp,
};

use crate::{
    Billing,
    domain::{
        money::Money,
        order::{Order, OrderId, State, Tier},
    },
    error::Error,
    store::orders,
};

pub(super) async fn get_order(
    billing: Arc<Billing>,
    ctx: Ctx,
    request: GetOrderRequest,
) -> Result<GetOrderResponse, Error> {
    let (scope, Query { order_id }) = (ctx.scope(), request.try_into()?);
    let mut tx = billing.chassis.db.begin().await?;
    orders::claim(&mut tx, &scope).await?;
    let order = orders::get(&mut tx, &scope, order_id).await?.ok_or(Error::OrderNotFound)?;
    tx.commit().await?;
    Ok(GetOrderResponse { order: Some(order.seen_by(&scope)) })
}

struct Query {
    order_id: OrderId,
}

impl TryFrom<GetOrderRequest> for Query {
    type Error = Invalid;

    fn try_from(request: GetOrderRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.parse("order_id", &request.order_id, "an order's id (a UUID)");
        violations.finish(order_id.map(|order_id| Self { order_id }))
    }
}

impl Order {
    /// The order as the scope may see it: only staff are told whose it is.
    pub(super) fn seen_by(self, scope: &Scope) -> wire::Order {
        let owner_sub = self.owner_sub.clone().filter(|_| scope.is_all()).unwrap_or_default();
        wire::Order { owner_sub, ..self.into() }
    }
}

impl From<Order> for wire::Order {
    /// Without its owner.
    fn from(order: Order) -> Self {
        let terms = order.terms;
        Self {
            owner_sub: String::new(),
            order_id: order.id.to_string(),
            tier: wire::order::Tier::from(terms.tier).into(),
            state: wire::order::State::from(order.state).into(),
            amount: Some(terms.amount.into()),
            customer_email: terms.customer_email.as_str().to_owned(),
            customer_name: terms.customer_name,
            stripe_customer_id: terms.stripe_customer_id.map(|id| id.to_string()).unwrap_or_default(),
            stripe_checkout_session_id: order.stripe_checkout_session_id.to_string(),
            revisions_left: order.revisions_left,
            create_time: Some(timestamp(order.create_time)),
            update_time: Some(timestamp(order.update_time)),
            pay_time: order.pay_time.map(timestamp),
        }
    }
}

impl From<State> for wire::order::State {
    fn from(state: State) -> Self {
        match state {
            State::PendingPayment => Self::PendingPayment,
            State::Paid => Self::Paid,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Tier> for wire::order::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Starter => Self::Starter,
            Tier::Professional => Self::Professional,
            Tier::Enterprise => Self::Enterprise,
        }
    }
}

impl From<Money> for wire_type::Money {
    fn from(money: Money) -> Self {
        Self { currency_code: money.currency, minor_units: money.minor_units }
    }
}
