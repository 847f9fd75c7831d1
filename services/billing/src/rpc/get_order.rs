//! Gets one order. Customers get only their own: another customer's order gives the same error as a missing one.

use levqor_proto_base::r#type::v1 as wire_type;
use levqor_proto_billing::v1::{self as wire, GetOrderRequest, GetOrderResponse};
use levqor_runtime::{
    context::{Ctx, Scope},
    request::id,
    timestamp,
};

use crate::{
    Billing,
    domain::{money::Money, order::Order, order_event::OrderEvent},
    error::Error,
    store::{order_events, order_files, orders},
};

pub(super) async fn get_order(
    billing: &Billing,
    ctx: Ctx,
    request: GetOrderRequest,
) -> Result<GetOrderResponse, Error> {
    let (scope, order_id) = (ctx.scope(), id("order_id", &request.order_id)?);
    let mut tx = billing.chassis.db.begin().await?;
    orders::claim(&mut tx, &scope).await?;
    let order = orders::get(&mut tx, &scope, order_id).await?.ok_or(Error::OrderNotFound)?;
    let events = order_events::list(&mut tx, order.id).await?;
    let files = order_files::list(&mut tx, order.id).await?;
    tx.commit().await?;
    let events = events.into_iter().map(Into::into).collect();
    let files = files.into_iter().map(Into::into).collect();
    Ok(GetOrderResponse { order: Some(order.seen_by(&scope)), events, files })
}

impl From<OrderEvent> for wire::OrderEvent {
    fn from(event: OrderEvent) -> Self {
        Self {
            kind: event.kind.into(),
            party: event.party.into(),
            note: event.note,
            create_time: Some(timestamp(event.create_time)),
        }
    }
}

impl Order {
    /// The order as the scope may see it. Only staff see the owner.
    pub(super) fn seen_by(self, scope: &Scope) -> wire::Order {
        let owner_sub = self.owner_sub.clone().filter(|_| scope.is_all()).unwrap_or_default();
        wire::Order { owner_sub, ..self.into() }
    }
}

impl From<Order> for wire::Order {
    /// Omits the owner.
    fn from(order: Order) -> Self {
        let money = |minor_units| Money { currency: order.terms.amount.currency.clone(), minor_units };
        let (paid, refunded) = (money(order.paid_minor), money(order.refunded_minor));
        let revision_end_time = order.revision_end_time();
        let terms = order.terms;
        Self {
            owner_sub: String::new(),
            order_id: order.id.to_string(),
            tier: terms.tier.into(),
            payment_state: order.payment_state.into(),
            dispute_state: order.dispute_state.into(),
            fulfilment_state: order.fulfilment_state.map(i32::from).unwrap_or_default(),
            paid: Some(paid.into()),
            refunded: Some(refunded.into()),
            amount: Some(terms.amount.into()),
            customer_email: terms.customer_email.as_str().to_owned(),
            customer_name: terms.customer_name,
            stripe_customer_id: terms.stripe_customer_id.map(|id| id.to_string()).unwrap_or_default(),
            stripe_checkout_session_id: order
                .stripe_checkout_session_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
            revisions_left: order.revisions_left,
            create_time: Some(timestamp(order.create_time)),
            update_time: Some(timestamp(order.update_time)),
            pay_time: order.pay_time.map(timestamp),
            submit_time: order.submit_time.map(timestamp),
            due_time: order.due_time.map(timestamp),
            deliver_time: order.deliver_time.map(timestamp),
            accept_time: order.accept_time.map(timestamp),
            revision_end_time: revision_end_time.map(timestamp),
        }
    }
}

impl From<Money> for wire_type::Money {
    fn from(money: Money) -> Self {
        Self { currency_code: money.currency, minor_units: money.minor_units }
    }
}
