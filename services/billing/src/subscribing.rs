//! Changes, cancels and resumes subscriptions for customers. Stripe is called between two transactions: the first stores the
//! request and its key; the second stores the outcome. After that, Stripe's new state is fetched and mirrored.

use std::time::Duration;

use chrono::{DateTime, Months, Utc};
use levqor_runtime::{
    context::Ctx,
    db::{DbError, Tx},
    email::Email,
};
use serde_json::{Value, json};

use crate::{
    Billing,
    aftermath::Aftermath,
    checkout::TimeBudget,
    domain::{
        buyer::Buyer,
        entitlement::Entitled,
        operation::{Kind, Operation, OperationState},
        plan::{Package, Sold, Term},
        stripe_event::News,
        stripe_id::StripeId,
        stripe_subscription::StripeSubscription,
        subscription::{Action, NotInThisState, Subscription},
        withdrawal::About,
    },
    error::Error,
    mirror::subscriptions::{Outcome, mirror},
    operations::{known_operation, request_key, supersede, unavailable_to_fetch},
    store::{customers, disputes, operations, subscriptions, withdrawals},
    stripe::encode,
};

/// A change of a subscription, as Stripe is asked for it.
pub(crate) struct Change {
    pub(crate) row: Subscription,
    pub(crate) stripe_subscription_id: StripeId,
    pub(crate) params: Value,
    /// Whether the difference is charged at once: the new package is dearer, or begins a period of another length.
    pub(crate) at_once: bool,
}

/// A customer as staff name them.
pub(crate) enum Customer {
    /// By the id at the identity provider.
    Sub(String),
    /// By the mail address.
    Address(Email),
}

/// Of a customer's subscriptions: the live one, or else the last one.
fn current(subscriptions: Vec<Subscription>) -> Option<Subscription> {
    subscriptions
        .into_iter()
        .max_by_key(|subscription| (subscription.state.is_live(), subscription.create_time))
}

/// The end of a period of this term that begins now.
pub(crate) fn renewal_after(begin: DateTime<Utc>, term: Term) -> DateTime<Utc> {
    let months = if term == Term::Monthly { 1 } else { 12 };
    begin.checked_add_months(Months::new(months)).unwrap_or(begin)
}

impl Billing {
    /// The person's subscription: the live one, or else the last one.
    pub(crate) async fn subscription_of(&self, buyer: &Buyer) -> Result<Option<Subscription>, Error> {
        let mut tx = self.chassis.db.begin().await?;
        subscriptions::claim(&mut tx, buyer).await?;
        let theirs = subscriptions::of_owner(&mut tx, buyer.sub()).await?;
        tx.commit().await?;
        Ok(current(theirs))
    }

    /// A customer's subscription, for staff: by the owner, or by the address.
    pub(crate) async fn subscription_for_staff(&self, of: &Customer) -> Result<Option<Subscription>, Error> {
        let mut conn = self.chassis.db.acquire().await?;
        Ok(current(match of {
            Customer::Sub(sub) => subscriptions::of_owner(&mut conn, sub).await?,
            Customer::Address(email) => subscriptions::of_address(&mut conn, email).await?,
        }))
    }

    /// The entitlements of a person.
    pub(crate) async fn entitled(&self, tx: &mut Tx, sub: &str) -> Result<Entitled, DbError> {
        let mut theirs = subscriptions::of_owner(tx, sub).await?;
        // A person may be several customers of Stripe's: one that bought as a guest, and the one that our checkout made.
        let mut at_stripe: Vec<_> = theirs.iter().filter_map(|it| it.stripe_customer_id.clone()).collect();
        at_stripe.extend(customers::stripe_customer_of(tx, sub).await?);
        // A subscription that the customer withdrew from entitles to nothing, also before Stripe has ended it.
        let withdrawn = withdrawals::subscriptions_of(tx, sub).await?;
        theirs.retain(|subscription| !withdrawn.contains(&subscription.id));
        let subscription = Entitled::best(theirs);
        let mut held = false;
        for customer in at_stripe {
            held = held || disputes::hold(tx, &customer).await?;
        }
        Ok(Entitled { subscription, held })
    }

    /// The person's live subscription, with Stripe's id of it.
    async fn live(&self, buyer: &Buyer) -> Result<(Subscription, StripeId), Error> {
        let row = self.subscription_of(buyer).await?.ok_or(Error::SubscriptionNotFound)?;
        let id = row.stripe_subscription_id.clone().ok_or(Error::SubscriptionNotFound)?;
        Ok((row, id))
    }

    /// What Stripe has to be asked to change the person's subscription into this package.
    pub(crate) async fn change(
        &self,
        buyer: &Buyer,
        package: &Package,
        time_budget: &TimeBudget,
    ) -> Result<Change, Error> {
        let (row, id) = self.live(buyer).await?;
        row.may(Action::Change)?;
        if row.package == *package && !self.is_in_doubt(&row).await? {
            return Err(Error::NothingChanges);
        }
        let now = self.stripe()?.within(time_budget.left()).subscription(&id).await;
        let now = now.map_err(|error| unavailable_to_fetch(&error))?;
        let dearer = package.price_of_a_year() > row.package.price_of_a_year();
        let at_once = dearer || package.term != row.package.term;
        let params = json!({
            "items": self.items(&now, package)?,
            "proration_behavior": if at_once { "always_invoice" } else { "create_prorations" },
            // A payment that fails changes nothing.
            "payment_behavior": "error_if_incomplete",
        });
        Ok(Change { row, stripe_subscription_id: id, params, at_once })
    }

    /// The request to Stripe that makes the person's subscription continue. Stripe's portal may have set the time of the end and
    /// not the flag: then the flag changes nothing. Stripe takes only one of both in a request.
    pub(crate) async fn resumption(&self, buyer: &Buyer, time_budget: &TimeBudget) -> Result<Value, Error> {
        let (row, id) = self.live(buyer).await?;
        if let Err(refused) = row.may(Action::Resume)
            && !self.is_in_doubt(&row).await?
        {
            return Err(refused.into());
        }
        let now = self.stripe()?.within(time_budget.left()).subscription(&id).await;
        let now = now.map_err(|error| unavailable_to_fetch(&error))?;
        let by_time_alone = now.cancel_time.is_some() && !now.cancel_at_period_end;
        Ok(if by_time_alone { json!({"cancel_at": ""}) } else { json!({"cancel_at_period_end": false}) })
    }

    /// Whether a change was asked for that Stripe has not answered: it may have been made.
    async fn is_in_doubt(&self, row: &Subscription) -> Result<bool, Error> {
        let mut conn = self.chassis.db.acquire().await?;
        let newest = operations::newest(&mut conn, row.id.as_uuid(), Kind::SubscriptionUpdate).await?;
        Ok(newest.is_some_and(|newest| newest.state == OperationState::Requested))
    }

    /// The items to change, to add and to remove.
    fn items(&self, now: &StripeSubscription, package: &Package) -> Result<Vec<Value>, Error> {
        let plan = package.plan.price(package.term).ok_or(Error::NothingChanges)?;
        let mut plan = json!({"price": self.price_id(&plan)?.as_str()});
        if let Some(item) = now.item_of(&self.prices, |sold| matches!(sold, Sold::Plan(..))) {
            plan["id"] = json!(item.as_str());
        }
        let mut items = vec![plan];
        for add_on in crate::domain::plan::AddOn::ALL {
            let item = now.item_of(&self.prices, |sold| sold == Sold::AddOn(add_on));
            match (package.add_ons.contains(&add_on), item, add_on.price()) {
                (true, None, Some(price)) => items.push(json!({"price": self.price_id(&price)?.as_str()})),
                (false, Some(item), _) => items.push(json!({"id": item.as_str(), "deleted": true})),
                _ => {}
            }
        }
        Ok(items)
    }

    /// The subscription after an update that was asked for under the same key before.
    pub(crate) async fn known_update<R: prost::Message>(
        &self,
        ctx: &Ctx,
        request: &R,
        buyer: &Buyer,
        time_budget: &TimeBudget,
    ) -> Result<Option<Subscription>, Error> {
        let Some(key) = request_key(ctx, request) else { return Ok(None) };
        let mut tx = self.chassis.db.begin().await?;
        let known = known_operation(&mut tx, buyer, Some(&key)).await?;
        tx.commit().await?;
        let Some(known) = known else { return Ok(None) };
        self.carry_out(&known, time_budget.left()).await?;
        let (row, id) = self.live(buyer).await?;
        Ok(Some(self.refresh(row, &id, time_budget.left()).await))
    }

    /// Updates the person's subscription at Stripe, once per key, and returns it as it is then.
    pub(crate) async fn update_subscription<R: prost::Message>(
        &self,
        ctx: &Ctx,
        request: &R,
        action: Action,
        params: &Value,
        time_budget: &TimeBudget,
    ) -> Result<Subscription, Error> {
        let buyer = Buyer::of(&ctx.actor).ok_or(Error::SubscriptionNotFound)?;
        if let Some(known) = self.known_update(ctx, request, &buyer, time_budget).await? {
            return Ok(known);
        }
        let (row, id) = self.live(&buyer).await?;
        self.stripe()?;
        let mut tx = self.chassis.db.begin().await?;
        let row = subscriptions::lock(&mut tx, row.id).await?.ok_or(Error::SubscriptionNotFound)?;
        let key = request_key(ctx, request);
        // The same request may have been stored while this one waited for the lock.
        let known = known_operation(&mut tx, &buyer, key.as_ref()).await?;
        let operation = if let Some(known) = known {
            known
        } else {
            // An earlier request without an answer must not be made after this one.
            let is_in_doubt = supersede(&mut tx, row.id.as_uuid(), Kind::SubscriptionUpdate).await?;
            match (action, row.may(action)) {
                // Stripe may have done the earlier request, so the row may be out of date.
                (Action::Cancel, Err(NotInThisState::EndsAlready))
                | (Action::Resume, Err(NotInThisState::IsRenewed))
                    if is_in_doubt => {}
                (_, may) => may?,
            }
            if withdrawals::of(&mut tx, About::Subscription(row.id)).await?.is_some() {
                return Err(NotInThisState::Ended.into());
            }
            let now = tx.now().await?;
            let (about, path) = (row.id.as_uuid(), format!("/subscriptions/{id}"));
            let mut operation = Operation::new(Kind::SubscriptionUpdate, about, path, encode(params), now);
            operation.owner_sub = Some(buyer.sub().to_owned());
            operation.request = key;
            operations::insert(&mut tx, &operation).await?;
            operation
        };
        tx.commit().await?;
        self.carry_out(&operation, time_budget.left()).await?;
        let updated = self.refresh(row, &id, time_budget.left()).await;
        self.keep_address(&buyer, time_budget).await;
        Ok(updated)
    }

    /// Fetches and mirrors Stripe's state. If this fails, the event of the change mirrors it later, and the row is returned as it
    /// is.
    pub(crate) async fn refresh(
        &self,
        known: Subscription,
        id: &StripeId,
        time_budget: Duration,
    ) -> Subscription {
        match self.try_refresh(id, time_budget).await {
            Ok(Some(row)) => row,
            Ok(None) => known,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a subscription is mirrored later, by its event"
                );
                known
            }
        }
    }

    async fn try_refresh(&self, id: &StripeId, time_budget: Duration) -> Result<Option<Subscription>, Error> {
        let version = subscriptions::version(&mut *self.chassis.db.acquire().await?, id).await?;
        let fetched = self.stripe()?.within(time_budget).subscription(id).await;
        let fetched = fetched.map_err(|error| unavailable_to_fetch(&error))?;
        let mut tx = self.chassis.db.begin().await?;
        let mut aftermath = Aftermath::default();
        let outcome = mirror(&mut tx, self, &fetched, version, News::All, &mut aftermath).await?;
        aftermath.write(&mut tx).await?;
        tx.commit().await?;
        Ok(match outcome {
            Outcome::Mirrored(row) => Some(*row),
            Outcome::NotOurs | Outcome::NotUnderstood(_) | Outcome::Stale => None,
        })
    }
}
