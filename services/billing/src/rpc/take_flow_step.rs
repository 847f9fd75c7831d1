//! `TakeFlowStep`: takes one step of an order's flow and defers the next, or ends the flow. This service calls it; the step before
//! defers the call.

use chrono::{DateTime, Utc};
use levqor_proto_base::r#type::v1::Money as WireMoney;
use levqor_proto_billing::v1::{TakeFlowStepRequest, TakeFlowStepResponse};
use levqor_proto_mail::v1::{
    OrderIntakeReminder, OrderNextSteps, OrderUpgradeLastCall, OrderUpgradeOffer, SendMessageRequest,
    send_message_request::Content,
};
use levqor_runtime::{
    context::{Ctx, Scope},
    db::{DbError, Tx},
    deferred::defer,
    error::{Invalid, Violations},
    objections::{self, ObjectionScope},
    rpc::{Done, mutate},
    timestamp,
};

use crate::{
    Billing, advertising,
    domain::{
        catalogue::UPSELL_DISCOUNT,
        order::{Order, OrderId},
        order_flow::{End, Flow, OFFER_GOOD_FOR, Step},
    },
    error::Error,
    flows, operators, order_links,
    store::{order_flows, orders},
};

pub(super) async fn take_flow_step(
    billing: &Billing,
    ctx: Ctx,
    request: TakeFlowStepRequest,
) -> Result<TakeFlowStepResponse, Error> {
    let Command { order_id, flow, step } = (&request).try_into()?;
    // Asked before the transaction, because it is a call to another service.
    let is_allowed = may_go_on(billing, &ctx, order_id, flow, step).await?;
    mutate(billing, &ctx, &request, async |tx| {
        let order = orders::lock(tx, &Scope::All, order_id).await?.ok_or(Error::OrderNotFound)?;
        let row = order_flows::lock(tx, order_id, flow).await?.ok_or(Error::OrderNotFound)?;
        let end_reason = match row.end_reason {
            Some(reason) => reason,
            // A step that was taken is not taken again.
            None if row.next_step != step => String::new(),
            None => take(billing, tx, &order, (flow, step), row.begin_time, is_allowed).await?,
        };
        Ok(Done::unaudited(TakeFlowStepResponse { end_reason }, "only this service makes this call"))
    })
    .await
}

/// Whether the customer may get the mail of this step. Only advertising is asked about, and only if the step would send it.
async fn may_go_on(
    billing: &Billing,
    ctx: &Ctx,
    order_id: OrderId,
    flow: Flow,
    step: i32,
) -> Result<bool, Error> {
    let has_mail = flow != Flow::UpgradeOffer || billing.promotion_code.is_some();
    if !flow.is_advertising() || !has_mail {
        return Ok(true);
    }
    let mut tx = billing.chassis.db.begin().await?;
    let order = orders::get(&mut tx, &Scope::All, order_id).await?.ok_or(Error::OrderNotFound)?;
    let row = order_flows::lock(&mut tx, order_id, flow).await?.ok_or(Error::OrderNotFound)?;
    let end = flows::ends(&mut tx, flow, &order).await?;
    tx.commit().await?;
    if row.end_reason.is_some() || row.next_step != step || end.is_some() {
        return Ok(true);
    }
    let email = &order.terms.customer_email;
    let mut conn = billing.chassis.db.acquire().await?;
    let sub = order.owner_sub.as_deref();
    let objects = objections::stands(&mut conn, ObjectionScope::Automation, sub, Some(email)).await?;
    drop(conn);
    Ok(!objects && advertising::is_allowed(billing, ctx, email).await?)
}

/// Takes the step. Returns why the flow has ended, if it has.
async fn take(
    billing: &Billing,
    tx: &mut Tx,
    order: &Order,
    (flow, number): (Flow, i32),
    begin: DateTime<Utc>,
    is_allowed: bool,
) -> Result<String, Error> {
    let mut end = flows::ends(tx, flow, order).await?.or((!is_allowed).then_some(End::NoAdvertising));
    let step = flow.step(number, begin).map(|(_, step)| step);
    if let (None, Some(step)) = (end, step) {
        end = act(billing, tx, order, (flow, number), step, begin).await?;
    }
    let end = match (end, flow.step(number + 1, begin)) {
        (Some(end), _) => end,
        (None, None) => End::Done,
        (None, Some((time, _))) => {
            order_flows::advance(tx, order.id, flow, number + 1, time).await?;
            flows::take_later(tx, order.id, flow, number + 1, time).await?;
            return Ok(String::new());
        }
    };
    order_flows::end(tx, order.id, flow, end).await?;
    Ok(end.as_str().to_owned())
}

/// Takes the step. Returns why the flow ends, if the step cannot be taken.
async fn act(
    billing: &Billing,
    tx: &mut Tx,
    order: &Order,
    (flow, number): (Flow, i32),
    step: Step,
    begin: DateTime<Utc>,
) -> Result<Option<End>, DbError> {
    let (customer_name, order_id) = (order.terms.customer_name.clone(), order.id.to_string());
    let tier = order.terms.tier.title().to_owned();
    let discount = || {
        let (currency_code, minor_units) = UPSELL_DISCOUNT;
        Some(WireMoney { currency_code: currency_code.to_owned(), minor_units })
    };
    let end_time = Some(timestamp(begin + OFFER_GOOD_FOR));
    let code = billing.promotion_code.clone();
    let content = match (step, code) {
        (Step::TellOperators, _) => {
            operators::intake_missing(tx, order.id, order.terms.tier.title()).await?;
            return Ok(None);
        }
        (Step::Offer | Step::LastCall, None) => return Ok(Some(End::NoOffer)),
        (Step::Remind(reminder), _) => Content::OrderIntakeReminder(OrderIntakeReminder {
            customer_name,
            order_id,
            tier,
            reminder,
            intake_link: order_links::create_for_guest(tx, &billing.site, order).await?,
        }),
        (Step::Offer, Some(code)) => Content::OrderUpgradeOffer(OrderUpgradeOffer {
            customer_name,
            order_id,
            discount: discount(),
            code,
            end_time,
        }),
        (Step::LastCall, Some(code)) => Content::OrderUpgradeLastCall(OrderUpgradeLastCall {
            customer_name,
            order_id,
            discount: discount(),
            code,
            end_time,
        }),
        (Step::Ask, _) => Content::OrderNextSteps(OrderNextSteps { customer_name, order_id, tier }),
    };
    let about = match step {
        Step::Remind(reminder) => format!("order:{}:reminder:{reminder}", order.id),
        Step::Offer | Step::LastCall | Step::Ask | Step::TellOperators => format!("order:{}", order.id),
    };
    let key = format!("flow-mail:{}:{}:{number}", order.id, flow.as_str());
    let mail = SendMessageRequest {
        recipient: order.terms.customer_email.as_str().to_owned(),
        about,
        guard_subject: flows::guard_subject(order.id, flow),
        content: Some(content),
        ..SendMessageRequest::default()
    };
    defer(tx, &mail, key).await?;
    Ok(None)
}

/// A valid request.
struct Command {
    order_id: OrderId,
    flow: Flow,
    step: i32,
}

impl TryFrom<&TakeFlowStepRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &TakeFlowStepRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let flow = violations.parse("flow", &request.flow, "the name of a flow");
        let step = request.step;
        violations.finish(order_id.zip(flow).map(|(order_id, flow)| Self { order_id, flow, step }))
    }
}
