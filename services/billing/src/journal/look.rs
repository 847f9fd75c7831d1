//! Finds the object of each event: its current state at Stripe or, without a key, the state in the event's body.

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

/// Fetches per batch. Each takes ten seconds at most, so all of them end before the lease does.
const MOST_FETCHES: usize = 3;

/// The object of an event.
#[derive(Clone)]
pub(super) enum Seen {
    /// Billing does not handle the event's type.
    Nothing,
    /// The event or its object is not ours.
    NotOurs(NotOurs),
    /// A checkout session, and what happened to it.
    Session(Box<CheckoutSession>, SessionEvent),
    /// A retry cannot help.
    NotUnderstood(NotUnderstood),
    /// A retry may help.
    MayPass(String),
}

impl Seen {
    fn new(session: Result<CheckoutSession, FetchError>, event: SessionEvent, acts_on: ActsOn) -> Self {
        match session {
            // The object has its own mode, and the envelope does not overrule it.
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

/// Reads the object of each event, in order, outside of any transaction. The result may be shorter than `tasks`; the caller
/// leaves the other events pending. One fetch serves all events of the same object that came before it, because only the
/// current state matters.
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

/// Reads the session from the event's own body.
fn own_object(event: &Pending) -> Result<CheckoutSession, NotUnderstood> {
    let body = event.body.as_deref().ok_or(NotUnderstood::NoObject)?;
    let body: Value = serde_json::from_slice(body).map_err(|_| NotUnderstood::NoObject)?;
    CheckoutSession::read(body.pointer("/data/object").ok_or(NotUnderstood::NoObject)?)
}
