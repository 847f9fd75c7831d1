//! Gives money back: a refund is stored in its caller's transaction, with the order locked, and made at Stripe by a deferred
//! call. So each refund is made once, even after a failure, and the refunds of an order never exceed the paid amount.

use levqor_proto_billing::v1::MakeRefundRequest;
use levqor_runtime::{
    db::{DbError, Tx},
    deferred::defer,
    error::Invalid,
};
use serde_json::json;

use crate::{
    domain::{
        dispute,
        money::Money,
        operation::{Kind, Operation},
        order::{Order, OrderId},
        refund::{NotRefundable, Origin, Refund, RefundId, State, amount_of},
        stripe_id::StripeId,
    },
    error::Error,
    fail_point,
    store::{disputes, operations, refunds},
    stripe::encode,
};

/// A payment that is refunded, in full or in part.
pub(crate) struct Payment {
    pub(crate) id: StripeId,
    pub(crate) paid: Money,
    /// The order that it paid for. `None` if it paid for a subscription.
    pub(crate) order_id: Option<OrderId>,
}

/// Stores a refund of an order, and defers the call that makes it. `asked` is the amount; `None` means everything that was not
/// refunded yet. The caller has locked the order's payment (`refunds::lock_payment`), and after that the order.
pub(crate) async fn request(
    tx: &mut Tx,
    order: &Order,
    asked: Option<i64>,
    reason: &str,
    origin: Origin,
) -> Result<Refund, Error> {
    let payment = Payment::of_order(order).ok_or(NotRefundable::NotPaid)?;
    request_of(tx, &payment, asked, reason, origin).await
}

impl Payment {
    /// The payment of an order that cost something.
    pub(crate) fn of_order(order: &Order) -> Option<Self> {
        let id = order.terms.stripe_payment_intent_id.clone().filter(|_| order.paid_minor > 0)?;
        let paid = Money { currency: order.terms.amount.currency.clone(), minor_units: order.paid_minor };
        Some(Self { id, paid, order_id: Some(order.id) })
    }
}

/// How much of a payment was given back, or is about to be.
pub(crate) async fn refunded(tx: &mut Tx, payment: &StripeId) -> Result<i64, DbError> {
    let before = refunds::of_payment(tx, payment).await?;
    Ok(before.iter().filter(|refund| refund.state.counts()).map(|refund| refund.amount.minor_units).sum())
}

/// The same as `request`, for any payment that is locked.
pub(crate) async fn request_of(
    tx: &mut Tx,
    payment: &Payment,
    asked: Option<i64>,
    reason: &str,
    origin: Origin,
) -> Result<Refund, Error> {
    // A dispute that was lost has given the money back already.
    match disputes::of_payment(tx, &payment.id).await?.into_iter().find(|state| *state != dispute::State::Won)
    {
        Some(dispute::State::Open) => return Err(NotRefundable::Disputed.into()),
        Some(dispute::State::Lost) => return Err(NotRefundable::LostDispute.into()),
        Some(dispute::State::Won) | None => {}
    }
    let refunded = refunded(tx, &payment.id).await?;
    let amount = amount_of(&payment.paid, refunded, asked)?;
    let left = payment.paid.minor_units - refunded;
    let amount = amount.ok_or_else(|| {
        Invalid::of(
            "amount_minor_units",
            format!("expected an amount from 1 to {left}, which is not refunded yet"),
        )
    })?;
    let now = tx.now().await?;
    let refund = Refund {
        id: RefundId::new_at(now),
        order_id: payment.order_id,
        stripe_payment_intent_id: Some(payment.id.clone()),
        stripe_refund_id: None,
        state: State::Requested,
        amount,
        reason: reason.to_owned(),
        origin,
        failure: None,
        told: false,
        made_time: None,
        create_time: now,
        update_time: now,
    };
    refunds::insert(tx, &refund).await?;
    let refund_id = refund.id.to_string();
    let mut params = json!({
        "payment_intent": payment.id.as_str(), "amount": refund.amount.in_stripe(),
        "metadata": {"refund_id": refund_id},
    });
    if let Some(order_id) = payment.order_id {
        params["metadata"]["order_id"] = json!(order_id.to_string());
    }
    let about = refund.id.as_uuid();
    let operation = Operation::new(Kind::Refund, about, "/refunds".to_owned(), encode(&params), now);
    operations::insert(tx, &operation).await?;
    defer(tx, &MakeRefundRequest { refund_id: refund_id.clone() }, format!("make_refund:{refund_id}"))
        .await?;
    fail_point::REFUND_WRITTEN.reached();
    Ok(refund)
}
