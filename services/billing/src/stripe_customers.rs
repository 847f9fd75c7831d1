//! A person's customer at Stripe: made once, found again, and with the person's current address.

use levqor_runtime::email::Email;
use serde_json::json;

use crate::{
    Billing,
    checkout::Patience,
    domain::{
        buyer::Buyer,
        operation::{Kind, Operation, OperationState},
        stripe_id::StripeId,
    },
    error::Error,
    operations::unavailable_to_fetch,
    store::{customers, operations},
    stripe::{FetchError, encode},
};

impl Billing {
    /// Stripe's customer of this person: made once, found again, and with the person's current address.
    pub(crate) async fn stripe_customer(
        &self,
        buyer: &Buyer,
        patience: &Patience,
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
            if self.adopt(buyer, &email, &guest, patience).await? {
                return Ok(guest);
            }
            tx = self.chassis.db.begin().await?;
            customer = customers::lock_or_insert(&mut tx, buyer.sub(), &email).await?;
        }
        let now = tx.now().await?;
        let (kind, path) = match &customer.stripe_customer_id {
            Some(id) if customer.email == email => return Ok(id.clone()),
            Some(id) => (Kind::CustomerUpdate, format!("/customers/{id}")),
            None => (Kind::Customer, "/customers".to_owned()),
        };
        if customer.stripe_customer_id.is_none() {
            customers::set_email(&mut tx, customer.id, &email).await?;
        }
        let about = customer.id.as_uuid();
        let known = operations::newest(&mut tx, about, kind).await?;
        let form = json!({"email": email.as_str(), "metadata": {"customer_id": customer.id.to_string()}});
        let form = encode(&form);
        // An operation under way is carried on, unless the address has changed since.
        let known = known.filter(|known| known.state == OperationState::Requested && known.form == form);
        let operation = if let Some(known) = known {
            known
        } else {
            let operation = Operation::new(kind, about, path, form, now);
            operations::insert(&mut tx, &operation).await?;
            operation
        };
        tx.commit().await?;
        let done = self.carry_out(&operation, patience.left()).await;
        match (done, customer.stripe_customer_id) {
            // If the address at Stripe could not be updated, the checkout continues.
            (_, Some(id)) => Ok(id),
            (Ok(done), None) => done.stripe_object_id.ok_or(Error::StripeRefused),
            (Err(error), None) => Err(error),
        }
    }

    /// Brings the address of the person's customer at Stripe up to date, if the person has a customer there. If this fails, the
    /// person's next call does it, and the caller goes on.
    pub(crate) async fn keep_address(&self, buyer: &Buyer, patience: &Patience) {
        if let Err(error) = self.try_keep_address(buyer, patience).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a customer's address at Stripe is brought up to date later"
            );
        }
    }

    async fn try_keep_address(&self, buyer: &Buyer, patience: &Patience) -> Result<(), Error> {
        if buyer.verified_email().is_none() {
            return Ok(());
        }
        let mut conn = self.chassis.db.acquire().await?;
        let known = customers::stripe_customer_of(&mut conn, buyer.sub()).await?;
        drop(conn);
        if known.is_some() {
            self.stripe_customer(buyer, patience).await?;
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
        patience: &Patience,
    ) -> Result<bool, Error> {
        let at_stripe = match self.stripe()?.within(patience.left()).customer(guest).await {
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
