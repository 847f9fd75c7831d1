//! Finds out what events are about: the object as it is at Stripe now, or, without a key, as the event shows it.

use std::collections::HashMap;

use serde_json::Value;
use tracing::Instrument;

use super::Task;
use crate::{
    Billing,
    domain::{
        checkout_session::CheckoutSession,
        not_understood::NotUnderstood,
        stripe_event::{ActsOn, NotOurs, SessionEvent},
        stripe_id::StripeId,
    },
    store::stripe_events::work::Pending,
    stripe::FetchError,
};

/// Objects that are fetched in one go: ten seconds each at the most, so that all of it fits into the lease.
const MOST_FETCHES: usize = 3;

/// What an event is about.
#[derive(Clone)]
pub(super) enum Seen {
    /// Nothing that billing acts on.
    Nothing,
    /// Something that is not ours.
    NotOurs(NotOurs),
    /// A checkout session, and what happened to it.
    Session(Box<CheckoutSession>, SessionEvent),
    /// It cannot be understood, however often it is tried.
    NotUnderstood(NotUnderstood),
    /// It cannot be seen now.
    MayPass(String),
}

impl Seen {
    fn new(session: Result<CheckoutSession, FetchError>, event: SessionEvent, acts_on: ActsOn) -> Self {
        match session {
            // The object has a mode of its own, which the envelope cannot overrule.
            Ok(session) if session.livemode.is_some_and(|livemode| !acts_on.includes(livemode)) => {
                Self::NotOurs(NotOurs::ObjectOfOtherMode)
            }
            Ok(session) => Self::Session(Box::new(session), event),
            Err(FetchError::NotUnderstood(reason)) => Self::NotUnderstood(reason),
            Err(FetchError::MayPass(reason)) => Self::MayPass(reason),
            Err(refused @ FetchError::NotAllowed(_)) => Self::MayPass(refused.to_string()),
        }
    }
}

/// Looks at each event, in order, outside of any transaction. The answer may be shorter than the list: the rest is for
/// the next time. An event is a poke, so one fetch serves every event of its object that came before it.
pub(super) async fn look(billing: &Billing, tasks: &[Task]) -> Vec<Seen> {
    let acts_on = billing.acts_on;
    let mut fetched: HashMap<&StripeId, Result<CheckoutSession, FetchError>> = HashMap::new();
    let mut seen = Vec::with_capacity(tasks.len());
    for Task { event, span } in tasks {
        if let Some(reason) = NotOurs::of(event.livemode, event.of_other_account, acts_on) {
            seen.push(Seen::NotOurs(reason));
            continue;
        }
        let Some(session_event) = SessionEvent::of_type(&event.event_type) else {
            seen.push(Seen::Nothing);
            continue;
        };
        if event.livemode.is_none() {
            seen.push(Seen::NotUnderstood(NotUnderstood::NoMode));
            continue;
        }
        let Some(stripe) = &billing.stripe else {
            let session = own_object(event).map_err(FetchError::from);
            seen.push(Seen::new(session, session_event, acts_on));
            continue;
        };
        let Some(id) = event.object_id.as_ref() else {
            seen.push(Seen::NotUnderstood(NotUnderstood::NoObjectId));
            continue;
        };
        if !fetched.contains_key(id) {
            if fetched.len() == MOST_FETCHES {
                break;
            }
            let session = stripe.checkout_session(id).instrument(span.clone()).await;
            billing.stripe_health.fetched(session.as_ref().err(), billing.chassis.clock.now());
            fetched.insert(id, session);
        }
        seen.extend(fetched.get(id).map(|session| Seen::new(session.clone(), session_event, acts_on)));
    }
    seen
}

/// The session in the event's own body.
fn own_object(event: &Pending) -> Result<CheckoutSession, NotUnderstood> {
    let body = event.body.as_deref().ok_or(NotUnderstood::NoObject)?;
    let body: Value = serde_json::from_slice(body).map_err(|_| NotUnderstood::NoObject)?;
    CheckoutSession::read(body.pointer("/data/object").ok_or(NotUnderstood::NoObject)?)
}
