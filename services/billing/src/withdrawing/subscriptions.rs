//! Withdraws customers from subscriptions. Stripe's invoices have the payments. They are read for the offer, and again after the
//! subscription has ended at Stripe, when nothing more can be charged.

use std::time::Duration;

use levqor_runtime::{context::Actor, db::Tx};

use super::{Made, PaidBack, Shown, confirmed, gone, pay_back, settle_later};
use crate::{
    Billing,
    domain::{
        buyer::Buyer,
        money::Money,
        operation::{Kind, Operation, OperationState},
        stripe_invoice::InvoicePayment,
        subscription::{Subscription, SubscriptionId},
        withdrawal::{About, Contract, Rule, State, Step, Withdrawal},
    },
    error::Error,
    mails,
    operations::{supersede, unavailable},
    operators,
    refunding::Payment,
    store::{operations, refunds, subscriptions, withdrawals},
    stripe::CUSTOMERS_PATIENCE,
    subscription_links,
};

/// How long Stripe may take for each call of a settlement.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Billing {
    /// The caller's subscription, and its shown facts.
    pub(crate) async fn withdrawal_of_subscription(
        &self,
        actor: &Actor,
    ) -> Result<(Subscription, Shown), Error> {
        let buyer = Buyer::of(actor).ok_or(Error::SubscriptionNotFound)?;
        let row = self.subscription_of(&buyer).await?.ok_or(Error::SubscriptionNotFound)?;
        let shown = self.withdrawal_from(&row).await?;
        Ok((row, shown))
    }

    /// The subscription of a link, and the parts of it that a person with the link sees.
    pub(crate) async fn withdrawal_of_linked_subscription(
        &self,
        link_token: &str,
    ) -> Result<(Subscription, Shown), Error> {
        let mut tx = self.chassis.db.begin().await?;
        let id = subscription_links::subscription_of(&mut tx, link_token).await?;
        let row = subscriptions::get(&mut tx, id).await?.ok_or(Error::LinkNotFound)?;
        tx.commit().await?;
        let shown = self.withdrawal_from(&row).await?;
        Ok((row, shown))
    }

    /// The shown parts of a subscription.
    async fn withdrawal_from(&self, row: &Subscription) -> Result<Shown, Error> {
        let mut tx = self.chassis.db.begin().await?;
        let made = withdrawals::of(&mut tx, About::Subscription(row.id)).await?;
        tx.commit().await?;
        match made {
            Some(made) => Ok(Shown::Made(made)),
            None => self.offer_of(row).await,
        }
    }

    async fn offer_of(&self, row: &Subscription) -> Result<Shown, Error> {
        let payments = self.payments_of(row, CUSTOMERS_PATIENCE).await?;
        let mut tx = self.chassis.db.begin().await?;
        let now = tx.now().await?;
        let currency = payments.first().map_or("GBP", |payment| payment.amount.currency.as_str());
        let minor_units = payments.iter().map(|payment| payment.amount.minor_units).sum();
        let paid = Money { currency: currency.to_owned(), minor_units };
        let pay_time = payments.iter().filter_map(|payment| payment.pay_time).min();
        let mut refunded = 0;
        for payment in payments.iter().filter_map(of_invoice) {
            refunded += gone(&mut tx, &payment).await?;
        }
        tx.commit().await?;
        let contract = Contract::of_subscription(row, paid, refunded, pay_time, now);
        let offer = contract.offer(now);
        Ok(Shown::Offered(Box::new((contract, offer))))
    }

    /// The payments of a subscription.
    async fn payments_of(
        &self,
        row: &Subscription,
        time_budget: Duration,
    ) -> Result<Vec<InvoicePayment>, Error> {
        let Some(id) = &row.stripe_subscription_id else { return Ok(Vec::new()) };
        self.stripe()?.payments_of(id, time_budget).await.map_err(|error| unavailable(&error))
    }

    /// Settles the withdrawal from a subscription: ends it at Stripe, and then stores the refunds of its payments.
    pub(crate) async fn settle_subscription(
        &self,
        withdrawal: &Withdrawal,
        id: SubscriptionId,
    ) -> Result<State, Error> {
        let mut tx = self.chassis.db.begin().await?;
        let row = subscriptions::lock(&mut tx, id).await?.ok_or(Error::SubscriptionNotFound)?;
        let end = operations::newest(&mut tx, id.as_uuid(), Kind::SubscriptionEnd).await?;
        tx.commit().await?;
        if let Some(end) = end.filter(|end| end.state == OperationState::Requested) {
            match self.carry_out(&end, TIMEOUT).await {
                // If Stripe refused, operators get a notice, and the money is still paid back.
                Ok(_) | Err(Error::StripeRefused | Error::PaymentDeclined) => {}
                Err(error) => return Err(error),
            }
        }
        let payments = self.payments_of(&row, TIMEOUT).await?;
        let mut waits = false;
        for payment in payments.iter().filter_map(of_invoice) {
            let mut tx = self.chassis.db.begin().await?;
            refunds::lock_payment(&mut tx, &payment.id).await?;
            // Locked, so that two calls at once do not count the same refunds.
            let mut locked =
                withdrawals::lock(&mut tx, withdrawal.id).await?.ok_or(Error::WithdrawalNotFound)?;
            let before = refunds::of_withdrawal(&mut tx, withdrawal.id).await?;
            let asked: i64 = before
                .iter()
                .filter(|refund| refund.state.counts())
                .map(|refund| refund.amount.minor_units)
                .sum();
            // The guarantee pays back everything, also a charge just before the end. The right of withdrawal gives its amount
            // once, also if an earlier call was interrupted after its refund was stored.
            let most = match withdrawal.rule {
                Rule::Guarantee => payment.paid.minor_units,
                Rule::Right => withdrawal.amount.minor_units - asked,
            };
            if pay_back(&mut tx, withdrawal, &payment, most).await? == PaidBack::Waits {
                waits = true;
                // Stored while the payment is locked: when the bank's decision arrives, it finds that the withdrawal waits for it.
                if locked.take(Step::Wait, tx.now().await?)? {
                    withdrawals::update(&mut tx, &locked).await?;
                }
            }
            tx.commit().await?;
        }
        if let Some(id) = &row.stripe_subscription_id {
            self.refresh(row.clone(), id, TIMEOUT).await;
        }
        let has_other = payments.iter().any(|payment| payment.payment_intent_id.is_none());
        self.conclude(withdrawal, waits, has_other).await
    }

    /// Stores the state of the withdrawal, after the refunds are stored. One that waits for a bank is stored already, and may have
    /// been settled since.
    async fn conclude(&self, withdrawal: &Withdrawal, waits: bool, has_other: bool) -> Result<State, Error> {
        let mut tx = self.chassis.db.begin().await?;
        let mut withdrawal =
            withdrawals::lock(&mut tx, withdrawal.id).await?.ok_or(Error::WithdrawalNotFound)?;
        let now = tx.now().await?;
        let of_it = refunds::of_withdrawal(&mut tx, withdrawal.id).await?;
        let is_news = if waits {
            false
        } else if !of_it.is_empty() || has_other {
            withdrawal.follow(&of_it, now)
        } else {
            withdrawal.take(Step::Close, now)?
        };
        if is_news {
            withdrawals::update(&mut tx, &withdrawal).await?;
            if withdrawal.state == State::Failed {
                operators::withdrawal_failed(&mut tx, &withdrawal).await?;
            }
        }
        tx.commit().await?;
        Ok(withdrawal.state)
    }
}

/// The payment of an invoice, if the invoice names one that Stripe can refund.
fn of_invoice(payment: &InvoicePayment) -> Option<Payment> {
    let id = payment.payment_intent_id.clone()?;
    Some(Payment { id, paid: payment.amount.clone(), order_id: None })
}

/// Withdraws the customer from a subscription, as the offer showed it. The subscription is ended at Stripe afterwards.
pub(crate) async fn withdraw_subscription(
    tx: &mut Tx,
    id: SubscriptionId,
    shown: Shown,
    etag: &str,
) -> Result<Made, Error> {
    let row = subscriptions::lock(tx, id).await?.ok_or(Error::SubscriptionNotFound)?;
    let about = About::Subscription(id);
    if let Some(withdrawal) = withdrawals::of(tx, about).await? {
        return Ok(Made { withdrawal, is_new: false });
    }
    let Shown::Offered(offered) = shown else { return Err(Error::WithdrawalNotFound) };
    let (contract, offer) = *offered;
    let now = tx.now().await?;
    let withdrawal = Withdrawal::new(about, confirmed(offer, etag)?, now);
    withdrawals::insert(tx, &withdrawal).await?;
    // A change that Stripe has not answered is not made, and not charged, after this.
    supersede(tx, id.as_uuid(), Kind::SubscriptionUpdate).await?;
    if let Some(at_stripe) = row.stripe_subscription_id.as_ref().filter(|_| row.state.is_live()) {
        let path = format!("/subscriptions/{at_stripe}");
        let end = Operation::new(Kind::SubscriptionEnd, id.as_uuid(), path, String::new(), now);
        operations::insert(tx, &end).await?;
    }
    settle_later(tx, withdrawal.id, "stated").await?;
    let customer = (&row.customer_email, row.customer_name.as_str());
    mails::withdrawal_receipt(tx, customer, &contract.item, &withdrawal).await?;
    operators::withdrawn(tx, &withdrawal, &contract.item).await?;
    Ok(Made { withdrawal, is_new: true })
}
