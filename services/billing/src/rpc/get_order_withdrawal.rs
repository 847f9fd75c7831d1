//! Gets the withdrawal from one order: the one that was made, or the one that can be made now. It is the first of the two steps of
//! the Consumer Rights Directive, article 11a. Customers get only that of their own orders.

use levqor_proto_billing::v1::{
    self as wire, GetOrderWithdrawalRequest, GetOrderWithdrawalResponse, withdrawal_offer,
};
use levqor_runtime::{context::Ctx, email::Email, request::id, timestamp};

use crate::{
    Billing,
    domain::withdrawal::{About, Contract, Offer, Refusal, Withdrawal},
    error::Error,
    store::orders,
    withdrawing::{self, Shown},
};

pub(super) async fn get_order_withdrawal(
    billing: &Billing,
    ctx: Ctx,
    request: GetOrderWithdrawalRequest,
) -> Result<GetOrderWithdrawalResponse, Error> {
    let (scope, order_id) = (ctx.scope(), id("order_id", &request.order_id)?);
    let mut tx = billing.chassis.db.begin().await?;
    orders::claim(&mut tx, &scope).await?;
    let order = orders::get(&mut tx, &scope, order_id).await?.ok_or(Error::OrderNotFound)?;
    let shown = withdrawing::of_order(&mut tx, &order).await?;
    tx.commit().await?;
    let (withdrawal, offer) = shown.seen_by((&order.terms.customer_email, &order.terms.customer_name));
    Ok(GetOrderWithdrawalResponse { withdrawal, offer })
}

impl Shown {
    /// The page for the customer with this address and name.
    pub(super) fn seen_by(
        self,
        (email, name): (&Email, &str),
    ) -> (Option<wire::Withdrawal>, Option<wire::WithdrawalOffer>) {
        match self {
            Self::Made(withdrawal) => (Some(withdrawal.into()), None),
            Self::Offered(offered) => {
                let (contract, offer) = *offered;
                (None, Some(offer.of(contract, email, name)))
            }
        }
    }
}

impl Offer {
    fn of(self, contract: Contract, email: &Email, name: &str) -> wire::WithdrawalOffer {
        let (order_id, subscription_id) = ids(contract.about);
        let refusal = self.verdict.as_ref().err().map(|refusal| wire_refusal(*refusal));
        let possible = self.verdict.ok();
        wire::WithdrawalOffer {
            order_id,
            subscription_id,
            item: contract.item,
            contract_time: contract.conclusion.map(timestamp),
            end_time: self.end_time.map(timestamp),
            refusal: refusal.unwrap_or_default().into(),
            rule: possible.as_ref().map(|possible| possible.rule.into()).unwrap_or_default(),
            amount: possible.as_ref().map(|possible| possible.amount.clone().into()),
            customer_name: name.to_owned(),
            receipt_email: email.as_str().to_owned(),
            statement: possible.as_ref().map(|possible| possible.statement.clone()).unwrap_or_default(),
            etag: possible.map(|possible| possible.etag).unwrap_or_default(),
        }
    }
}

fn wire_refusal(refusal: Refusal) -> withdrawal_offer::Refusal {
    match refusal {
        Refusal::NotPaid => withdrawal_offer::Refusal::NotPaid,
        Refusal::PeriodOver(_) => withdrawal_offer::Refusal::PeriodOver,
        Refusal::Ended => withdrawal_offer::Refusal::Ended,
        Refusal::NothingLeft => withdrawal_offer::Refusal::NothingLeft,
    }
}

/// The ids of the order and of the subscription: one of them is empty.
fn ids(about: About) -> (String, String) {
    match about {
        About::Order(id) => (id.to_string(), String::new()),
        About::Subscription(id) => (String::new(), id.to_string()),
    }
}

impl From<Withdrawal> for wire::Withdrawal {
    fn from(withdrawal: Withdrawal) -> Self {
        let (order_id, subscription_id) = ids(withdrawal.about);
        Self {
            withdrawal_id: withdrawal.id.to_string(),
            order_id,
            subscription_id,
            state: withdrawal.state.into(),
            rule: withdrawal.rule.into(),
            amount: Some(withdrawal.amount.into()),
            statement: withdrawal.statement,
            create_time: Some(timestamp(withdrawal.create_time)),
            update_time: Some(timestamp(withdrawal.update_time)),
        }
    }
}
