//! Finds the object of each event: its current state at Stripe or, without a key, the state in the event's body.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use levqor_runtime::{db::DbError, privacy::Subject, recorded};
use serde_json::Value;
use tracing::Instrument;

use super::Task;
use crate::{
    Billing,
    domain::{
        checkout_session::CheckoutSession,
        dispute::StripeDispute,
        not_understood::NotUnderstood,
        stripe_customer::StripeCustomer,
        stripe_event::{ActsOn, EventObject, NotOurs},
        stripe_id::StripeId,
        stripe_refund::StripeRefund,
        stripe_subscription::StripeSubscription,
    },
    store::{customers, stripe_events::work::Pending, subscriptions},
    stripe::{FetchError, Stripe},
};

/// Fetches per batch, also of events. Each takes ten seconds at most, so all of them end before the lease does.
const MOST_FETCHES: usize = 3;
/// After this long no other event is looked at: the last one may take 25 s more, and the lease has to last until all are settled.
const LONGEST: Duration = Duration::from_secs(15);

/// The object of an event.
#[derive(Clone)]
pub(super) enum Seen {
    /// Billing does not handle the event's type.
    Nothing,
    /// The event or its object is not ours.
    NotOurs(NotOurs),
    /// The object, the event's facts about it, and the snapshot events with the facts that a thin event lacks.
    Found(Found, EventObject, Vec<Value>),
    /// A retry cannot help.
    NotUnderstood(NotUnderstood),
    /// A retry may help.
    Temporary(String),
}

/// An object as it is at Stripe.
#[derive(Clone)]
pub(super) enum Found {
    /// A checkout session and, if it made one, its subscription.
    Session(Box<CheckoutSession>, Option<Box<Fetched>>),
    /// A subscription.
    Subscription(Box<Fetched>),
    /// A customer of ours.
    Customer(StripeCustomer),
    /// Refunds of one payment.
    Refunds(Vec<StripeRefund>),
    /// A dispute.
    Dispute(Box<StripeDispute>),
    /// An object that billing does not need, such as the payment of another business of the account.
    Nothing,
}

/// A subscription, and the version of our row before Stripe was asked.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) subscription: StripeSubscription,
    pub(super) version: Option<i64>,
}

impl Found {
    /// The person whose data this object would store. Empty if it stores no personal data.
    fn person(&self) -> Subject {
        let (session, fetched) = match self {
            Self::Session(session, fetched) => (Some(session), fetched.as_ref()),
            Self::Subscription(fetched) => (None, Some(fetched)),
            Self::Customer(_) | Self::Refunds(_) | Self::Dispute(_) | Self::Nothing => (None, None),
        };
        let subscription = fetched.map(|fetched| &fetched.subscription);
        let emails = [
            session.and_then(|session| session.customer_email.as_ref()),
            subscription.and_then(|subscription| subscription.customer_email.as_ref()),
        ];
        let customers = [
            session.and_then(|session| session.customer_id.as_ref()),
            subscription.and_then(|subscription| subscription.customer_id.as_ref()),
        ];
        Subject {
            subs: BTreeSet::new(),
            emails: emails.into_iter().flatten().map(|email| email.as_str().to_owned()).collect(),
            vendor_ids: customers.into_iter().flatten().map(|id| id.as_str().to_owned()).collect(),
        }
    }

    fn livemode(&self) -> Option<bool> {
        match self {
            Self::Session(session, _) => session.livemode,
            Self::Subscription(fetched) => fetched.subscription.livemode,
            Self::Customer(customer) => customer.livemode,
            Self::Refunds(refunds) => refunds.iter().find_map(|refund| refund.livemode),
            Self::Dispute(dispute) => dispute.livemode,
            Self::Nothing => None,
        }
    }
}

impl Seen {
    fn new(found: Result<Found, FetchError>, about: EventObject, acts_on: ActsOn) -> Self {
        match found {
            // The object has its own mode, and the envelope does not overrule it.
            Ok(found) if found.livemode().is_some_and(|livemode| !acts_on.includes(livemode)) => {
                Self::NotOurs(NotOurs::ObjectOfOtherMode)
            }
            Ok(found) => Self::Found(found, about, Vec::new()),
            Err(FetchError::NotUnderstood(reason)) => Self::NotUnderstood(reason),
            Err(FetchError::Temporary(reason)) => Self::Temporary(reason),
            Err(refused @ FetchError::NotAllowed(_)) => Self::Temporary(refused.to_string()),
        }
    }
}

/// Reads the object of each event, in order, outside of any transaction. The result may be shorter than `tasks`; the caller
/// leaves the other events pending. One fetch serves all events of the same object that came before it, because only the
/// current state matters.
pub(super) async fn look(billing: &Billing, tasks: &[Task]) -> Vec<Seen> {
    let (acts_on, begun) = (billing.acts_on, Instant::now());
    let mut fetched: HashMap<&StripeId, Result<Found, FetchError>> = HashMap::new();
    let (mut seen, mut requests) = (Vec::with_capacity(tasks.len()), 0);
    for Task { event, span } in tasks {
        if begun.elapsed() > LONGEST {
            break;
        }
        if let Some(reason) = NotOurs::of(event.livemode, event.of_other_account, acts_on) {
            seen.push(Seen::NotOurs(reason));
            continue;
        }
        let Some(about) = EventObject::of_type(&event.event_type) else {
            seen.push(Seen::Nothing);
            continue;
        };
        if event.livemode.is_none() {
            seen.push(Seen::NotUnderstood(NotUnderstood::NoMode));
            continue;
        }
        let Some(stripe) = &billing.stripe else {
            let found = Seen::new(own_object(event, about).map_err(FetchError::from), about, acts_on);
            seen.push(unless_erased(billing, event, found).await);
            continue;
        };
        let Some(id) = event.object_id.as_ref() else {
            seen.push(Seen::NotUnderstood(NotUnderstood::NoObjectId));
            continue;
        };
        let twin = EventObject::told_by_twin(&event.event_type);
        let needed = usize::from(!fetched.contains_key(id)) + usize::from(twin.is_some());
        if requests + needed > MOST_FETCHES {
            break;
        }
        requests += needed;
        if !fetched.contains_key(id) {
            let found = fetch(billing, stripe, about, id).instrument(span.clone()).await;
            fetched.insert(id, found);
        }
        let Some(found) = fetched.get(id).cloned() else { break };
        let mut found = Seen::new(found, about, acts_on);
        if let (Seen::Found(_, _, told), Some(twin)) = (&mut found, twin) {
            match snapshots(stripe, event, twin, id).instrument(span.clone()).await {
                Ok(snapshots) => *told = snapshots,
                Err(reason) => found = Seen::Temporary(reason),
            }
        }
        seen.push(unless_erased(billing, event, found).await);
    }
    seen
}

/// Replaces the object with `SubjectErased` if its person was erased after the event. The erasure does not find an event that does
/// not name the person.
async fn unless_erased(billing: &Billing, event: &Pending, seen: Seen) -> Seen {
    let Seen::Found(found, ..) = &seen else { return seen };
    if !event.is_late(billing.chassis.clock.now()) {
        return seen;
    }
    let person = found.person();
    match Box::pin(recorded::was_erased_since(&billing.chassis, &person, event.create_time)).await {
        Ok(false) => seen,
        Ok(true) => Seen::NotOurs(NotOurs::SubjectErased),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a late Stripe event waits, because nobody knows whether its person was erased"
            );
            Seen::Temporary("the ledger of erasures cannot be read".to_owned())
        }
    }
}

/// Fetches the snapshot events of the type `twin`, which hold the change that a thin event only announces: the one that the thin
/// event names or, if it names none, those of the same time. If Stripe refuses them, the object is still mirrored, and no
/// mail is sent.
async fn snapshots(
    stripe: &Stripe,
    event: &Pending,
    twin: &str,
    id: &StripeId,
) -> Result<Vec<Value>, String> {
    let body = event.body.as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let named = body.as_ref().and_then(|body| body.get("snapshot_event")?.as_str()?.parse::<StripeId>().ok());
    let found = match named {
        Some(named) => stripe.event(&named).await.map(|snapshot| vec![snapshot]),
        None => stripe.events_about(twin, id, event.create_time.timestamp()).await,
    };
    match found {
        Ok(found) => {
            if found.is_empty() {
                tracing::warn!(
                    "a customer gets no mail about a changed subscription, because Stripe lists no event of the change"
                );
            }
            Ok(found)
        }
        Err(FetchError::Temporary(reason)) => Err(reason),
        Err(refused) => {
            tracing::warn!(
                error = &refused as &dyn std::error::Error,
                "a customer gets no mail about a changed subscription, because the event cannot be read"
            );
            Ok(Vec::new())
        }
    }
}

/// Fetches the object that an event is about.
async fn fetch(
    billing: &Billing,
    stripe: &Stripe,
    about: EventObject,
    id: &StripeId,
) -> Result<Found, FetchError> {
    match about {
        EventObject::Session(_) => {
            let session = stripe.checkout_session(id).await;
            billing.stripe_health.fetched(session.as_ref().err(), billing.chassis.clock.now());
            let session = session?;
            let subscription = match &session.subscription_id {
                Some(id) => Some(Box::new(subscription(billing, stripe, id).await?)),
                None => None,
            };
            Ok(Found::Session(Box::new(session), subscription))
        }
        EventObject::Payment => {
            let session = stripe.session_of_payment(id).await?;
            Ok(session.map_or(Found::Nothing, |session| Found::Session(Box::new(session), None)))
        }
        EventObject::Subscription => {
            let fetched = subscription(billing, stripe, id).await?;
            Ok(Found::Subscription(Box::new(fetched)))
        }
        EventObject::Customer => {
            let known = async {
                let mut conn = billing.chassis.db.acquire().await?;
                customers::is_known(&mut conn, id).await
            };
            if !known.await.map_err(|error| away(&error))? {
                return Ok(Found::Nothing);
            }
            Ok(Found::Customer(stripe.customer(id).await?))
        }
        EventObject::Charge => Ok(Found::Refunds(stripe.refunds_of("charge", id).await?)),
        EventObject::Refund => Ok(Found::Refunds(vec![stripe.refund(id).await?])),
        EventObject::Dispute => Ok(Found::Dispute(Box::new(stripe.dispute(id).await?))),
        EventObject::Catalogue => {
            billing.price_news.notify_one();
            Ok(Found::Nothing)
        }
    }
}

async fn subscription(billing: &Billing, stripe: &Stripe, id: &StripeId) -> Result<Fetched, FetchError> {
    let version = async {
        let mut conn = billing.chassis.db.acquire().await?;
        subscriptions::version(&mut conn, id).await
    };
    let version = version.await.map_err(|error| away(&error))?;
    Ok(Fetched { subscription: stripe.subscription(id).await?, version })
}

fn away(error: &DbError) -> FetchError {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the objects of Stripe events cannot be looked up"
    );
    FetchError::Temporary("the database does not answer".to_owned())
}

/// Reads the object from the event's own body. `Found::Nothing` if such an object is not enough without a fetch.
fn own_object(event: &Pending, about: EventObject) -> Result<Found, NotUnderstood> {
    let body = event.body.as_deref().ok_or(NotUnderstood::NoObject)?;
    let body: Value = serde_json::from_slice(body).map_err(|_| NotUnderstood::NoObject)?;
    let object = body.pointer("/data/object").ok_or(NotUnderstood::NoObject)?;
    Ok(match about {
        EventObject::Session(_) => Found::Session(Box::new(CheckoutSession::read(object)?), None),
        EventObject::Subscription => {
            let subscription = StripeSubscription::read(object)?;
            // The owner is unknown: only our own id in the metadata, or the address of the fetched customer, tells it.
            if subscription.subscription_id.is_none() && subscription.customer_email.is_none() {
                return Ok(Found::Nothing);
            }
            Found::Subscription(Box::new(Fetched { subscription, version: None }))
        }
        EventObject::Customer => Found::Customer(StripeCustomer::read(object)?),
        EventObject::Refund => Found::Refunds(vec![StripeRefund::read(object)?]),
        EventObject::Dispute => Found::Dispute(Box::new(StripeDispute::read(object)?)),
        EventObject::Payment | EventObject::Charge | EventObject::Catalogue => Found::Nothing,
    })
}
