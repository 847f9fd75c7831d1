//! The way to a checkout session: the row that the session is for, and the session itself, each stored before Stripe is asked.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use levqor_proto_law::v1::IngestAcceptanceRequest;
use levqor_runtime::{db::Tx, deferred::defer, id, idempotency::IdempotencyError, timestamp};
use serde_json::{Value, json};

use crate::{
    Billing,
    domain::{
        buyer::Buyer,
        catalogue::CataloguePrice,
        money::Money,
        operation::{Kind, Operation, RequestKey},
        order::{Order, OrderId, Tier},
        plan::Package,
        sale::{DONE_FOR_YOU, Terms},
        stripe_id::StripeId,
        stripe_subscription::SUBSCRIPTION,
        subscription::{State, Subscription},
    },
    error::Error,
    store::{checkout_tries, customers, operations, order_agreements, orders, subscriptions},
    stripe::{CUSTOMERS_PATIENCE, encode},
};

/// How many checkouts a customer may try, and in which time.
const TRIES: usize = 3;
const TRIES_IN: TimeDelta = TimeDelta::minutes(1);
/// An open session is shown again only if it stays open for at least this long.
const WORTH_SHOWING: TimeDelta = TimeDelta::minutes(30);

/// What a customer wants to buy.
#[derive(Clone)]
pub(crate) enum Item {
    /// "Done for you" work.
    DoneForYou(Tier),
    /// A subscription.
    Subscription(Package),
}

/// A checkout that a customer asks for.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) item: Item,
    pub(crate) promotion: Option<StripeId>,
    pub(crate) terms_version: String,
    pub(crate) start_at_once: bool,
    pub(crate) request: Option<RequestKey>,
}

/// What is to be done at Stripe.
enum Begun {
    /// The session is there already.
    Known(Box<Operation>),
    /// The session is to be made, after another one was ended.
    New { ended_first: Option<Box<Operation>>, session: Box<Operation> },
}

/// How long a customer still waits.
pub(crate) struct Patience(Instant);

impl Patience {
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
    /// Counts a try to check out, whatever becomes of it, and refuses the fourth within a minute. The same request under the same
    /// key is the same try.
    pub(crate) async fn count_try(&self, buyer: &Buyer, request: Option<&RequestKey>) -> Result<(), Error> {
        let mut tx = self.chassis.db.begin().await?;
        checkout_tries::lock(&mut tx, buyer.sub()).await?;
        if let Some(request) = request
            && let Some(known) = operations::of_request(&mut tx, buyer.sub(), &request.key).await?
        {
            // A repeated request gets its session, however often it comes.
            let same = known.request.as_ref() == Some(request);
            return if same { Ok(()) } else { Err(IdempotencyError::key_reused().into()) };
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
        patience: &Patience,
    ) -> Result<Operation, Error> {
        let customer = self.stripe_customer(buyer, patience).await?;
        match self.begin_checkout(buyer, wanted, &customer).await? {
            Begun::Known(operation) => self.carry_out(&operation, patience.left()).await,
            Begun::New { ended_first, session } => {
                if let Some(other) = ended_first {
                    match self.carry_out(&other, patience.left()).await {
                        Ok(_) => {}
                        // The session was finished meanwhile, or it has expired. Its event will say which.
                        Err(Error::StripeRefused) => return Err(Error::AlreadySubscribed),
                        Err(error) => return Err(error),
                    }
                }
                self.carry_out(&session, patience.left()).await
            }
        }
    }

    async fn begin_checkout(
        &self,
        buyer: &Buyer,
        wanted: &Wanted,
        customer: &StripeId,
    ) -> Result<Begun, Error> {
        let mut tx = self.chassis.db.begin().await?;
        // The row's lock lets a person's checkouts begin one after the other.
        customers::lock_or_insert(&mut tx, buyer.sub(), &buyer.email()?).await?;
        if let Some(request) = &wanted.request
            && let Some(known) = operations::of_request(&mut tx, buyer.sub(), &request.key).await?
        {
            let same = known.request.as_ref() == Some(request);
            return if same {
                Ok(Begun::Known(Box::new(known)))
            } else {
                Err(IdempotencyError::key_reused().into())
            };
        }
        let begun = match &wanted.item {
            Item::DoneForYou(tier) => self.begin_order(&mut tx, buyer, wanted, *tier, customer).await?,
            Item::Subscription(package) => {
                self.begin_subscription(&mut tx, buyer, wanted, package, customer).await?
            }
        };
        if let Begun::New { session, .. } = &begun {
            accept_terms(&mut tx, buyer, wanted, session.about).await?;
        }
        tx.commit().await?;
        Ok(begun)
    }

    async fn begin_subscription(
        &self,
        tx: &mut Tx,
        buyer: &Buyer,
        wanted: &Wanted,
        package: &Package,
        customer: &StripeId,
    ) -> Result<Begun, Error> {
        subscriptions::claim(tx, buyer).await?;
        let theirs = subscriptions::of_owner(tx, buyer.sub()).await?;
        if theirs.iter().any(|subscription| subscription.state.is_live()) {
            return Err(Error::AlreadySubscribed);
        }
        let now = tx.now().await?;
        let mut ended_first = None;
        if let Some(pending) = theirs.iter().find(|subscription| subscription.state == State::Pending) {
            let session = operations::newest(tx, pending.id.as_uuid(), Kind::Checkout).await?;
            let lasts =
                |operation: &Operation| operation.expire_time.is_none_or(|end| end - now > WORTH_SHOWING);
            let same = pending.bought == *package
                && pending.terms_version == wanted.terms_version
                && pending.start_at_once == Some(wanted.start_at_once)
                && wanted.promotion.is_none();
            match session {
                Some(session) if same && lasts(&session) => return Ok(Begun::Known(Box::new(session))),
                // Two open sessions could both be paid.
                Some(Operation { stripe_object_id: Some(id), .. }) => {
                    let path = format!("/checkout/sessions/{id}/expire");
                    let about = pending.id.as_uuid();
                    let end = Operation::new(Kind::CheckoutExpiry, about, path, String::new(), now);
                    operations::insert(tx, &end).await?;
                    ended_first = Some(Box::new(end));
                }
                // Nobody was sent to that session.
                Some(_) | None => {}
            }
        }
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
        let session = self.session(tx, buyer, wanted, row.id.as_uuid(), &params).await?;
        Ok(Begun::New { ended_first, session: Box::new(session) })
    }

    async fn begin_order(
        &self,
        tx: &mut Tx,
        buyer: &Buyer,
        wanted: &Wanted,
        tier: Tier,
        customer: &StripeId,
    ) -> Result<Begun, Error> {
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
        let session = self.session(tx, buyer, wanted, id.as_uuid(), &params).await?;
        Ok(Begun::New { ended_first: None, session: Box::new(session) })
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

    /// Stores the operation that makes the session.
    async fn session(
        &self,
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
        Ok(session)
    }

    /// Stripe's id of a price.
    pub(crate) fn price_id(&self, price: &CataloguePrice) -> Result<&StripeId, Error> {
        let id = self.prices.iter().find(|(set, _)| set == price).map(|(_, id)| id);
        id.ok_or(Error::ShopClosed("the STRIPE_PRICE_… of what is wanted is not set"))
    }
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
