//! Withdraws customers from their contracts. One transaction stores the statement, the end of the work, the receipt and what is
//! to be paid back. Deferred calls and stored operations then change Stripe, and are repeated until that is done.

mod subscriptions;

use levqor_proto_billing::v1::SettleWithdrawalRequest;
use levqor_runtime::{
    context::Scope,
    db::{DbError, Tx},
    deferred::defer,
    error::Invalid,
};

pub(crate) use self::subscriptions::withdraw_subscription;
use crate::{
    Billing,
    domain::{
        dispute::{self, StripeDispute},
        order::{Order, OrderId},
        order_event::{Kind, Party},
        refund::{self, NotRefundable, Origin, RefundId},
        stripe_event::News,
        withdrawal::{About, Contract, Offer, Possible, Refusal, State, Step, Withdrawal, WithdrawalId},
    },
    error::Error,
    mails, operators, order_steps,
    refunding::{self, Payment},
    store::{disputes, order_agreements, orders, refunds, withdrawals},
};

/// The reason of each refund.
const REASON: &str = "The customer withdrew from the contract.";

/// The shown facts of a contract.
pub(crate) enum Shown {
    /// The withdrawal that was made.
    Made(Withdrawal),
    /// What can be done now.
    Offered(Box<(Contract, Offer)>),
}

/// A withdrawal, and whether this call made it.
pub(crate) struct Made {
    pub(crate) withdrawal: Withdrawal,
    pub(crate) is_new: bool,
}

/// The steps that paid back one payment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PaidBack {
    /// A refund is stored.
    Asked,
    /// The bank has the money.
    Waits,
    /// Nothing is left to pay back.
    Nothing,
}

/// Locks the payment of an order that the scope may see, and then the order. Every transaction locks a payment before its order,
/// so that no two of them wait for each other.
pub(crate) async fn lock_order(tx: &mut Tx, scope: &Scope, id: OrderId) -> Result<Order, Error> {
    let seen = orders::get(tx, scope, id).await?.ok_or(Error::OrderNotFound)?;
    let payment = seen.terms.stripe_payment_intent_id;
    if let Some(payment) = &payment {
        refunds::lock_payment(tx, payment).await?;
    }
    let order = orders::lock(tx, scope, id).await?.ok_or(Error::OrderNotFound)?;
    if order.terms.stripe_payment_intent_id != payment {
        // The order was paid between the two reads, so its payment is not locked.
        return Err(Refusal::NotPaid.into());
    }
    Ok(order)
}

/// The shown facts of an order.
pub(crate) async fn of_order(tx: &mut Tx, order: &Order) -> Result<Shown, DbError> {
    if let Some(made) = withdrawals::of(tx, About::Order(order.id)).await? {
        return Ok(Shown::Made(made));
    }
    let contract = contract(tx, order).await?;
    let offer = contract.offer(tx.now().await?);
    Ok(Shown::Offered(Box::new((contract, offer))))
}

async fn contract(tx: &mut Tx, order: &Order) -> Result<Contract, DbError> {
    let now = tx.now().await?;
    let refunded = match Payment::of_order(order) {
        Some(payment) => gone(tx, &payment).await?,
        None => 0,
    };
    let start_at_once = order_agreements::start_at_once(tx, order.id).await?;
    Ok(Contract::of_order(order, refunded, start_at_once == Some(true), now))
}

/// How much of a payment the customer got back, or will get back. After a lost dispute this is the whole payment.
async fn gone(tx: &mut Tx, payment: &Payment) -> Result<i64, DbError> {
    if disputes::of_payment(tx, &payment.id).await?.contains(&dispute::State::Lost) {
        return Ok(payment.paid.minor_units);
    }
    refunding::refunded(tx, &payment.id).await
}

/// The offer, if the customer can withdraw and confirms exactly this offer.
fn confirmed(offer: Offer, etag: &str) -> Result<Possible, Error> {
    let possible = offer.verdict?;
    if etag.is_empty() {
        return Err(Invalid::of("etag", "expected the `etag` of the withdrawal that was shown").into());
    }
    if possible.etag == etag { Ok(possible) } else { Err(Error::OfferChanged) }
}

/// Withdraws the customer from an order that `lock_order` locked.
pub(crate) async fn withdraw_order(
    billing: &Billing,
    tx: &mut Tx,
    mut order: Order,
    etag: &str,
    party: Party,
) -> Result<Made, Error> {
    let about = About::Order(order.id);
    if let Some(withdrawal) = withdrawals::of(tx, about).await? {
        return Ok(Made { withdrawal, is_new: false });
    }
    let now = tx.now().await?;
    let contract = contract(tx, &order).await?;
    let possible = confirmed(contract.offer(now), etag)?;
    let payment = Payment::of_order(&order).filter(|_| possible.amount.minor_units > 0);
    if payment.is_some() {
        billing.stripe()?;
    }
    order.withdraw(now)?;
    order_steps::save(billing, tx, &order, Kind::Withdrawn, party, "").await?;
    let mut withdrawal = Withdrawal::new(about, possible, now);
    withdrawals::insert(tx, &withdrawal).await?;
    if let Some(payment) = payment
        && pay_back(tx, &withdrawal, &payment, withdrawal.amount.minor_units).await? == PaidBack::Waits
    {
        withdrawal.take(Step::Wait, now)?;
        withdrawals::update(tx, &withdrawal).await?;
    }
    let customer = (&order.terms.customer_email, order.terms.customer_name.as_str());
    mails::withdrawal_receipt(tx, customer, &contract.item, &withdrawal).await?;
    operators::withdrawn(tx, &withdrawal, &contract.item).await?;
    Ok(Made { withdrawal, is_new: true })
}

/// Stores a refund of a locked payment: everything that was not paid back yet, but no more than `most`.
async fn pay_back(
    tx: &mut Tx,
    withdrawal: &Withdrawal,
    payment: &Payment,
    most: i64,
) -> Result<PaidBack, Error> {
    let left = payment.paid.minor_units - gone(tx, payment).await?;
    if left.min(most) <= 0 {
        return Ok(PaidBack::Nothing);
    }
    match refunding::request_of(tx, payment, Some(left.min(most)), REASON, Origin::Customer).await {
        Ok(refund) => {
            withdrawals::link(tx, withdrawal.id, refund.id).await?;
            Ok(PaidBack::Asked)
        }
        Err(Error::NotRefundable(NotRefundable::Disputed)) => Ok(PaidBack::Waits),
        // The bank has given the money back to the customer.
        Err(Error::NotRefundable(NotRefundable::LostDispute)) => Ok(PaidBack::Nothing),
        Err(error) => Err(error),
    }
}

/// Settles the withdrawal from an order whose payment was disputed, once the bank has decided. If the bank decided for us, the
/// money is refunded. If it decided for the customer, they have the money already.
pub(crate) async fn settle_order(tx: &mut Tx, id: WithdrawalId, order: OrderId) -> Result<State, Error> {
    let order = lock_order(tx, &Scope::All, order).await?;
    let mut withdrawal = withdrawals::lock(tx, id).await?.ok_or(Error::WithdrawalNotFound)?;
    if withdrawal.state != State::Waiting {
        return Ok(withdrawal.state);
    }
    let done = match Payment::of_order(&order) {
        Some(payment) => pay_back(tx, &withdrawal, &payment, withdrawal.amount.minor_units).await?,
        None => PaidBack::Nothing,
    };
    let step = match done {
        PaidBack::Asked => Step::PayBack,
        PaidBack::Waits => Step::Wait,
        PaidBack::Nothing => Step::Close,
    };
    if withdrawal.take(step, tx.now().await?)? {
        withdrawals::update(tx, &withdrawal).await?;
    }
    Ok(withdrawal.state)
}

/// Updates the withdrawal of a refund whose state has changed: it may be completed now, or have failed. The withdrawal is locked, so
/// of two refunds that change at the same time the second sees the first. If the refund has just failed, operators get a notice.
pub(crate) async fn refund_moved(
    tx: &mut Tx,
    id: RefundId,
    has_just_failed: bool,
    news: News,
) -> Result<(), DbError> {
    let Some(mut refund) = refunds::lock(tx, id).await? else { return Ok(()) };
    let is_told = has_just_failed && news.includes(None);
    let linked = match (withdrawals::of_refund(tx, id).await?, refund.order_id) {
        (Some(linked), _) => Some(linked),
        // The refund was made by staff, or at Stripe, after the customer had withdrawn from the order.
        (None, Some(order)) => {
            let made = withdrawals::of(tx, About::Order(order)).await?;
            made.filter(|made| refund.create_time >= made.create_time).map(|made| made.id)
        }
        (None, None) => None,
    };
    let Some(linked) = linked else {
        return if is_told { operators::refund_failed(tx, &refund).await } else { Ok(()) };
    };
    withdrawals::link(tx, linked, id).await?;
    let Some(mut withdrawal) = withdrawals::lock(tx, linked).await? else { return Ok(()) };
    // For a refund of an order, the mail is deferred where the order is updated.
    if let About::Subscription(subscription) = withdrawal.about
        && refund.state == refund::State::Succeeded
        && !refund.told
        && let Some(row) = crate::store::subscriptions::lock(tx, subscription).await?
    {
        refund.told = true;
        refunds::update(tx, &refund).await?;
        if news.includes(refund.made_time) {
            let full = refund.amount == withdrawal.amount;
            mails::subscription_refund_made(tx, &row, &refund, full).await?;
        }
    }
    if withdrawal.state == State::Waiting {
        return Ok(());
    }
    let refunds = refunds::of_withdrawal(tx, withdrawal.id).await?;
    let has_moved = withdrawal.follow(&refunds, tx.now().await?);
    if has_moved {
        withdrawals::update(tx, &withdrawal).await?;
    }
    match withdrawal.state {
        // Staff may have made another refund, which has failed too.
        State::Failed if has_moved || is_told => operators::withdrawal_failed(tx, &withdrawal).await,
        // The customer has the money of the withdrawal. This refund was for something else.
        State::Completed if is_told => operators::refund_failed(tx, &refund).await,
        State::Requested | State::Waiting | State::Completed | State::Failed => Ok(()),
    }
}

/// After a bank has decided a dispute: defers the settling of the withdrawals that wait for the decision. The caller has locked the
/// payment.
pub(crate) async fn dispute_decided(tx: &mut Tx, dispute: &StripeDispute) -> Result<(), DbError> {
    let (payment, customer) = (dispute.payment_intent_id.as_ref(), dispute.customer_id.as_ref());
    for id in withdrawals::waiting_for(tx, payment, customer).await? {
        settle_later(tx, id, dispute.id.as_str()).await?;
    }
    Ok(())
}

/// Defers the call that settles a withdrawal. `occasion` is part of the key, so that each occasion makes a call of its own.
async fn settle_later(tx: &mut Tx, id: WithdrawalId, occasion: &str) -> Result<(), DbError> {
    let call = SettleWithdrawalRequest { withdrawal_id: id.to_string() };
    defer(tx, &call, format!("settle_withdrawal:{id}:{occasion}")).await
}
