//! The way to a checkout session: the row that the session is for, and the session itself, each stored before Stripe is asked. A
//! person has at most one open session for a subscription, because each open session can be paid.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_proto_law::v1::IngestAcceptanceRequest;
use levqor_runtime::{db::Tx, deferred::defer, id, timestamp};
use serde_json::{Value, json};

use crate::{
    Billing,
    domain::{
        buyer::Buyer,
        catalogue::CataloguePrice,
        money::Money,
        operation::{Kind, Operation, OperationState, RequestKey},
        order::{Order, OrderId, Tier},
        plan::Package,
        sale::{DONE_FOR_YOU, Terms},
        stripe_id::StripeId,
        stripe_subscription::SUBSCRIPTION,
        subscription::{State, Subscription},
    },
    error::Error,
    operations::{abandon, known_operation, supersede},
    store::{checkout_tries, customers, operations, order_agreements, orders, subscriptions},
    stripe::{CUSTOMERS_PATIENCE, encode},
};

/// How many checkouts a customer may try, and in which time.
const TRIES: usize = 3;
const TRIES_IN: TimeDelta = TimeDelta::minutes(1);
/// An open session is shown again only if it stays open for at least this long.
const WORTH_SHOWING: TimeDelta = TimeDelta::minutes(30);

/// The package that a customer wants to buy.
#[derive(Clone)]
pub(crate) enum Item {
    /// "Done for you" work.
    DoneForYou(Tier),
    /// A subscription.
    Subscription(Package),
}

/// A checkout that a customer requests.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) item: Item,
    pub(crate) promotion: Option<StripeId>,
    pub(crate) terms_version: String,
    pub(crate) start_at_once: bool,
    pub(crate) request: Option<RequestKey>,
}

/// How long a customer still waits.
pub(crate) struct TimeBudget(Instant);

impl TimeBudget {
    /// The wait begins now.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        CUSTOMERS_PATIENCE.saturating_sub(self.0.elapsed())
    }
}

impl Billing {
    /// Counts a try to check out, whatever its outcome, and refuses the fourth within a minute. The same request under the same
    /// key is the same try.
    pub(crate) async fn count_try(&self, buyer: &Buyer, request: Option<&RequestKey>) -> Result<(), Error> {
        let mut tx = self.chassis.db.begin().await?;
        checkout_tries::lock(&mut tx, buyer.sub()).await?;
        if known_operation(&mut tx, buyer, request).await?.is_some() {
            // A repeated request always gets the same session.
            return Ok(());
        }
        let key = request.map_or_else(id::request_id, RequestKey::in_full);
        let now = tx.now().await?;
        checkout_tries::remove_until(&mut tx, buyer.sub(), now - TRIES_IN).await?;
        let tries = checkout_tries::of(&mut tx, buyer.sub()).await?;
        if !tries.iter().any(|known| known.key == key) {
            if let Some(third) = tries.get(TRIES - 1) {
                let after = (third.time + TRIES_IN - now).to_std().unwrap_or_default();
                return Err(Error::TooManyCheckouts(after.max(Duration::from_secs(1))));
            }
            checkout_tries::insert(&mut tx, buyer.sub(), &key).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Makes a checkout session, or finds the one that was made for the same request.
    pub(crate) async fn checkout(
        &self,
        buyer: &Buyer,
        wanted: &Wanted,
        time_budget: &TimeBudget,
    ) -> Result<Operation, Error> {
        let customer = self.stripe_customer(buyer, time_budget).await?;
        let session = self.begin_checkout(buyer, wanted, &customer).await?;
        match wanted.item {
            Item::DoneForYou(_) => self.carry_out(&session, time_budget.left()).await,
            Item::Subscription(_) => self.make_session(&session, time_budget.left()).await,
        }
    }

    /// Creates the stored session at Stripe, unless it exists. If it is for a subscription, the person's other sessions end first,
    /// because each open session can be paid.
    pub(crate) async fn make_session(
        &self,
        session: &Operation,
        time_budget: Duration,
    ) -> Result<Operation, Error> {
        let begun = Instant::now();
        if session.state != OperationState::Done {
            match self.end_others(session, time_budget).await {
                Ok(()) => {}
                Err(Error::AlreadySubscribed) => {
                    self.settle_refused(session, "another checkout was finished").await?;
                    return Err(Error::AlreadySubscribed);
                }
                Err(error) => return Err(error),
            }
        }
        self.carry_out(session, time_budget.saturating_sub(begun.elapsed())).await
    }

    /// Ends the sessions that the person left for this one.
    async fn end_others(&self, session: &Operation, time_budget: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        let Some(owner) = &session.owner_sub else { return Ok(()) };
        let mut tx = self.chassis.db.begin().await?;
        let theirs = subscriptions::of_owner(&mut tx, owner).await?;
        if theirs.iter().all(|row| row.id.as_uuid() != session.about) {
            // The session is for an order. A person may buy many.
            return Ok(());
        }
        if theirs.iter().any(|row| row.state.is_live()) {
            return Err(Error::AlreadySubscribed);
        }
        let mut ends = Vec::new();
        for left in theirs {
            if left.state == State::Pending && left.id.as_uuid() != session.about {
                ends.extend(operations::newest(&mut tx, left.id.as_uuid(), Kind::CheckoutExpiry).await?);
            }
        }
        tx.commit().await?;
        for end in ends {
            match self.carry_out(&end, time_budget.saturating_sub(begun.elapsed())).await {
                Ok(_) => {}
                // That session was finished meanwhile, or it has expired. Its event will say which.
                Err(Error::StripeRefused) => return Err(Error::AlreadySubscribed),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn begin_checkout(
        &self,
        buyer: &Buyer,
        wanted: &Wanted,
        customer: &StripeId,
    ) -> Result<Operation, Error> {
        let mut tx = self.chassis.db.begin().await?;
        // The row's lock lets a person's checkouts begin one after the other.
        customers::lock_or_insert(&mut tx, buyer.sub(), &buyer.email()?).await?;
        if let Some(known) = known_operation(&mut tx, buyer, wanted.request.as_ref()).await? {
            return Ok(known);
        }
        let session = match &wanted.item {
            Item::DoneForYou(tier) => self.begin_order(&mut tx, buyer, wanted, *tier, customer).await?,
            Item::Subscription(package) => {
                self.begin_subscription(&mut tx, buyer, wanted, package, customer).await?
            }
        };
        tx.commit().await?;
        Ok(session)
    }

    async fn begin_subscription(
        &self,
        tx: &mut Tx,
        buyer: &Buyer,
        wanted: &Wanted,
        package: &Package,
        customer: &StripeId,
    ) -> Result<Operation, Error> {
        subscriptions::claim(tx, buyer).await?;
        let theirs = subscriptions::of_owner(tx, buyer.sub()).await?;
        if theirs.iter().any(|subscription| subscription.state.is_live()) {
            return Err(Error::AlreadySubscribed);
        }
        let mut same: Option<Operation> = None;
        for left in theirs {
            if left.state != State::Pending {
                continue;
            }
            let is_same = same.is_none()
                && left.bought == *package
                && left.terms_version == wanted.terms_version
                && left.start_at_once == Some(wanted.start_at_once)
                && wanted.promotion.is_none();
            same = same.or(keep_or_leave(tx, &left, is_same).await?);
        }
        if let Some(session) = same {
            return Ok(session);
        }
        let now = tx.now().await?;
        let mut row = Subscription::pending(buyer.sub().to_owned(), buyer.email()?, package.clone(), now);
        row.stripe_customer_id = Some(customer.clone());
        row.terms_version.clone_from(&wanted.terms_version);
        row.start_at_once = Some(wanted.start_at_once);
        subscriptions::insert(tx, &row).await?;
        let add_ons: Vec<_> = package.add_ons.iter().map(|add_on| add_on.as_str().to_lowercase()).collect();
        let metadata = json!({
            "mode": SUBSCRIPTION, "plan": package.plan.label(), "term": package.term.label(),
            "add_ons": add_ons.join(","), "subscription_id": row.id.to_string(),
        });
        let mut params =
            self.session_params(wanted, customer, &row.id.to_string(), &package.prices(), &metadata)?;
        params["mode"] = json!("subscription");
        params["subscription_data"] = json!({"metadata": metadata});
        session(tx, buyer, wanted, row.id.as_uuid(), &params).await
    }

    async fn begin_order(
        &self,
        tx: &mut Tx,
        buyer: &Buyer,
        wanted: &Wanted,
        tier: Tier,
        customer: &StripeId,
    ) -> Result<Operation, Error> {
        let now = tx.now().await?;
        let id = OrderId::new_at(now);
        let terms = Terms {
            tier,
            amount: Money::pence(tier.list_price()),
            customer_email: buyer.email()?,
            customer_name: String::new(),
            stripe_customer_id: Some(customer.clone()),
            stripe_payment_intent_id: None,
        };
        orders::insert(tx, &Order::pending(id, buyer.sub().to_owned(), terms, now)).await?;
        order_agreements::insert(tx, id, &wanted.terms_version, wanted.start_at_once).await?;
        let plan = tier.title().to_lowercase();
        let metadata = json!({"mode": DONE_FOR_YOU, "plan": plan, "order_id": id.to_string()});
        let price = tier.price();
        let mut params = self.session_params(wanted, customer, &id.to_string(), &[price], &metadata)?;
        params["mode"] = json!("payment");
        params["payment_intent_data"] = json!({"metadata": metadata});
        session(tx, buyer, wanted, id.as_uuid(), &params).await
    }

    /// What both kinds of sessions have in common.
    fn session_params(
        &self,
        wanted: &Wanted,
        customer: &StripeId,
        ours: &str,
        prices: &[CataloguePrice],
        metadata: &Value,
    ) -> Result<Value, Error> {
        let line =
            |price: &CataloguePrice| Ok(json!({"price": self.price_id(price)?.as_str(), "quantity": 1}));
        let lines: Vec<Value> = prices.iter().map(line).collect::<Result<_, Error>>()?;
        let mut params = json!({
            "customer": customer.as_str(), "client_reference_id": ours, "line_items": lines, "metadata": metadata,
            "success_url": self.shop.success_url.as_str(), "cancel_url": self.shop.cancel_url.as_str(),
            "customer_update": {"name": "auto", "address": "auto"},
        });
        match &wanted.promotion {
            Some(promotion) => params["discounts"] = json!([{"promotion_code": promotion.as_str()}]),
            None => params["allow_promotion_codes"] = json!(true),
        }
        if self.shop.automatic_tax {
            params["automatic_tax"] = json!({"enabled": true});
        }
        Ok(params)
    }

    /// Stripe's id of a price.
    pub(crate) fn price_id(&self, price: &CataloguePrice) -> Result<&StripeId, Error> {
        let id = self.prices.iter().find(|(set, _)| set == price).map(|(_, id)| id);
        id.ok_or(Error::ShopClosed("the STRIPE_PRICE_… of what is wanted is not set"))
    }
}

/// Handles an earlier pending checkout of this person. If it is the same purchase and its session can still be used, returns the
/// session. Otherwise stores that the session must be ended, or gives it up if Stripe has not answered yet.
async fn keep_or_leave(tx: &mut Tx, left: &Subscription, is_same: bool) -> Result<Option<Operation>, Error> {
    let about = left.id.as_uuid();
    let newest = operations::newest(tx, about, Kind::Checkout).await?;
    let Some(newest) = newest else { return Ok(None) };
    // Locked, because the call that asked for the session may store Stripe's answer just now.
    let Some(session) = operations::lock(tx, newest.id).await? else { return Ok(None) };
    let end = operations::newest(tx, about, Kind::CheckoutExpiry).await?;
    if end.is_some_and(|end| end.state == OperationState::Requested) {
        return Ok(None);
    }
    let now = tx.now().await?;
    let lasts = session.expire_time.is_none_or(|end| end - now > WORTH_SHOWING);
    if is_same && lasts && session.state != OperationState::Refused {
        return Ok(Some(session));
    }
    if let Some(id) = &session.stripe_object_id {
        let path = format!("/checkout/sessions/{id}/expire");
        let end = Operation::new(Kind::CheckoutExpiry, about, path, String::new(), now);
        operations::insert(tx, &end).await?;
    } else {
        // No buyer has this session's URL, so it cannot be paid.
        supersede(tx, about, Kind::Checkout).await?;
        abandon(tx, about).await?;
    }
    Ok(None)
}

/// Stores the operation that makes the session, and that the buyer has accepted the terms.
async fn session(
    tx: &mut Tx,
    buyer: &Buyer,
    wanted: &Wanted,
    about: uuid::Uuid,
    params: &Value,
) -> Result<Operation, Error> {
    let now = tx.now().await?;
    let path = "/checkout/sessions".to_owned();
    let mut session = Operation::new(Kind::Checkout, about, path, encode(params), now);
    session.owner_sub = Some(buyer.sub().to_owned());
    session.request.clone_from(&wanted.request);
    operations::insert(tx, &session).await?;
    accept_terms(tx, buyer, wanted, about).await?;
    Ok(session)
}

/// Defers the acceptance of the terms to the ledger of compliance, which keeps the history.
async fn accept_terms(tx: &mut Tx, buyer: &Buyer, wanted: &Wanted, about: uuid::Uuid) -> Result<(), Error> {
    let now = tx.now().await?;
    let acceptance = IngestAcceptanceRequest {
        about_id: about.to_string(),
        owner_sub: buyer.sub().to_owned(),
        email: buyer.email()?.as_str().to_owned(),
        terms_version: wanted.terms_version.clone(),
        accept_time: Some(timestamp(now)),
    };
    defer(tx, &acceptance, format!("terms:{about}")).await?;
    Ok(())
}
