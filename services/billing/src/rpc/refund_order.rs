//! Refunds an order, wholly or in part, for staff. The audit chain records it. An order that cost nothing is ended without a
//! call to Stripe.

use levqor_proto_billing::v1::{RefundOrderRequest, RefundOrderResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Billing,
    domain::{
        order::OrderId,
        order_event::{Kind, Party},
        refund::{NotRefundable, Origin},
    },
    error::Error,
    order_steps, refunding,
    store::{orders, refunds},
};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

pub(super) async fn refund_order(
    billing: &Billing,
    ctx: Ctx,
    request: RefundOrderRequest,
) -> Result<RefundOrderResponse, Error> {
    let Command { order_id, asked, reason } = Command::try_from(&request)?;
    mutate(billing, &ctx, &request, async |tx| {
        let seen = orders::get(tx, &ctx.scope(), order_id).await?.ok_or(Error::OrderNotFound)?;
        let payment = seen.terms.stripe_payment_intent_id;
        if let Some(payment) = &payment {
            refunds::lock_payment(tx, payment).await?;
        }
        let mut order = orders::lock_by_id(tx, order_id).await?.ok_or(Error::OrderNotFound)?;
        if order.terms.stripe_payment_intent_id != payment {
            // The order was paid between the two reads, so its payment is not locked.
            return Err(NotRefundable::NotPaid.into());
        }
        if order.pay_time.is_some() && order.paid_minor == 0 {
            if asked.is_some() {
                return Err(
                    Invalid::of("amount_minor_units", "expected 0, because the order cost nothing").into()
                );
            }
            order.end_free(tx.now().await?).map_err(Error::OrderState)?;
            order_steps::save(billing, tx, &order, Kind::Ended, Party::Staff, &reason).await?;
            let response = RefundOrderResponse { refund: None };
            return Ok(Done::audited(response, "order.end", &[("order_id", &order_id)]));
        }
        let refund = refunding::request(tx, &order, asked, &reason, Origin::Staff).await?;
        let refund_id = refund.id;
        let response = RefundOrderResponse { refund: Some(refund.into()) };
        Ok(Done::audited(response, "order.refund", &[("order_id", &order_id), ("refund_id", &refund_id)]))
    })
    .await
}

struct Command {
    order_id: OrderId,
    /// `None`: everything that was not refunded yet.
    asked: Option<i64>,
    reason: String,
}

impl TryFrom<&RefundOrderRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RefundOrderRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let order_id = violations.field("order_id", &request.order_id);
        let asked = request.amount_minor_units;
        if asked < 0 {
            violations.add("amount_minor_units", "expected an amount, or 0 for the rest");
        }
        let reason = request.reason.trim().to_owned();
        if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
            violations.add("reason", format!("expected 1 to {LONGEST_REASON} characters"));
        }
        violations.finish(order_id.map(|order_id| Self {
            order_id,
            asked: (asked > 0).then_some(asked),
            reason,
        }))
    }
}
