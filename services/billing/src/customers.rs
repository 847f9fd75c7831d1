//! A person's customer at Stripe: made once, found again, and with the person's current address.

use levqor_runtime::{db::Tx, email::Email};
use serde_json::json;

use crate::{
    Billing,
    checkout::TimeBudget,
    domain::{
        buyer::Buyer,
        customer::Customer,
        operation::{Kind, Operation, OperationState},
        stripe_id::StripeId,
    },
    error::Error,
    operations::unavailable_to_fetch,
    store::{customers, operations},
    stripe::{FetchError, encode},
};

/// Why an older address is never sent.
pub(crate) const REPLACED: &str = "replaced by a newer address";
/// The update of the address may use one third of the caller's remaining time, because the caller asked for something else.
const PART_FOR_ADDRESS: u32 = 3;

impl Billing {
    /// Stripe's customer of this person: made once, found again, and with the person's current address. If the address at Stripe
    /// cannot be changed, the person's next call changes it, and the caller continues.
    pub(crate) async fn stripe_customer(
        &self,
        buyer: &Buyer,
        time_budget: &TimeBudget,
    ) -> Result<StripeId, Error> {
        let email = buyer.email()?;
        let mut tx = self.chassis.db.begin().await?;
        let mut customer = customers::lock_or_insert(&mut tx, buyer.sub(), &email).await?;
        let begun = operations::newest(&mut tx, customer.id.as_uuid(), Kind::Customer).await?;
        if customer.stripe_customer_id.is_none()
            && begun.is_none()
            && let Some(guest) = customers::of_guest(&mut tx, buyer.sub(), &email).await?
        {
            tx.commit().await?;
            if self.adopt(buyer, &email, &guest, time_budget).await? {
                return Ok(guest);
            }
            tx = self.chassis.db.begin().await?;
            customer = customers::lock_or_insert(&mut tx, buyer.sub(), &email).await?;
        }
        if customer.stripe_customer_id.is_none() {
            let making = making(&mut tx, &customer, &email).await?;
            tx.commit().await?;
            self.carry_out(&making, time_budget.left()).await?;
            tx = self.chassis.db.begin().await?;
            customer = customers::lock_or_insert(&mut tx, buyer.sub(), &email).await?;
        }
        let id = customer.stripe_customer_id.clone().ok_or(Error::StripeRefused)?;
        let known = under_way(&mut tx, &customer, Kind::CustomerUpdate).await?;
        if known.is_none() && customer.email == email {
            return Ok(id);
        }
        let (path, form) = (format!("/customers/{id}"), form(&customer, &email));
        let (update, older) = match known {
            Some(known) if known.path == path && known.form == form => (known, None),
            older => {
                let now = tx.now().await?;
                let update = Operation::new(Kind::CustomerUpdate, customer.id.as_uuid(), path, form, now);
                operations::insert(&mut tx, &update).await?;
                (update, older)
            }
        };
        tx.commit().await?;
        if let Some(older) = older {
            // Otherwise the schedule would send the older address after this one.
            self.settle_refused(&older, REPLACED).await?;
        }
        if let Err(error) = self.carry_out(&update, time_budget.left() / PART_FOR_ADDRESS).await {
            updated_later(&error);
        }
        Ok(id)
    }

    /// Brings the address of the person's customer at Stripe up to date, if the person has a customer there. If this fails, the
    /// person's next call does it, and the caller continues.
    pub(crate) async fn keep_address(&self, buyer: &Buyer, time_budget: &TimeBudget) {
        if let Err(error) = self.try_keep_address(buyer, time_budget).await {
            updated_later(&error);
        }
    }

    async fn try_keep_address(&self, buyer: &Buyer, time_budget: &TimeBudget) -> Result<(), Error> {
        if buyer.verified_email().is_none() {
            return Ok(());
        }
        let mut conn = self.chassis.db.acquire().await?;
        let known = customers::stripe_customer_of(&mut conn, buyer.sub()).await?;
        drop(conn);
        if known.is_some() {
            self.stripe_customer(buyer, time_budget).await?;
        }
        Ok(())
    }

    /// Takes the customer that this person was at Stripe as a guest, if it is still there under the same address. Returns whether it
    /// is theirs now.
    async fn adopt(
        &self,
        buyer: &Buyer,
        email: &Email,
        guest: &StripeId,
        time_budget: &TimeBudget,
    ) -> Result<bool, Error> {
        let at_stripe = match self.stripe()?.within(time_budget.left()).customer(guest).await {
            Ok(at_stripe) => at_stripe,
            Err(FetchError::NotUnderstood(_)) => return Ok(false),
            Err(error) => return Err(unavailable_to_fetch(&error)),
        };
        if at_stripe.deleted || at_stripe.email.as_ref() != Some(email) {
            return Ok(false);
        }
        let mut tx = self.chassis.db.begin().await?;
        let customer = customers::lock_or_insert(&mut tx, buyer.sub(), email).await?;
        let is_free = customer.stripe_customer_id.is_none() && !customers::is_known(&mut tx, guest).await?;
        if is_free {
            customers::set_stripe_customer(&mut tx, customer.id, guest).await?;
            customers::set_email(&mut tx, customer.id, email).await?;
            customers::mirror(&mut tx, guest, &at_stripe.name).await?;
        }
        tx.commit().await?;
        Ok(is_free || customer.stripe_customer_id.as_ref() == Some(guest))
    }
}

/// The operation that makes the customer. One that is under way is carried on, although the address may have changed since: a second
/// one would make a second customer.
async fn making(tx: &mut Tx, customer: &Customer, email: &Email) -> Result<Operation, Error> {
    if let Some(known) = under_way(tx, customer, Kind::Customer).await? {
        return Ok(known);
    }
    customers::set_email(tx, customer.id, email).await?;
    let (about, path, now) = (customer.id.as_uuid(), "/customers".to_owned(), tx.now().await?);
    let operation = Operation::new(Kind::Customer, about, path, form(customer, email), now);
    operations::insert(tx, &operation).await?;
    Ok(operation)
}

/// The operation of this kind that is still to be done for the customer.
async fn under_way(tx: &mut Tx, customer: &Customer, kind: Kind) -> Result<Option<Operation>, Error> {
    let newest = operations::newest(tx, customer.id.as_uuid(), kind).await?;
    Ok(newest.filter(|newest| newest.state == OperationState::Requested))
}

fn form(customer: &Customer, email: &Email) -> String {
    encode(&json!({"email": email.as_str(), "metadata": {"customer_id": customer.id.to_string()}}))
}

fn updated_later(error: &Error) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "a customer's address at Stripe is brought up to date later"
    );
}
