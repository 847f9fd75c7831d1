//! Decides the verdict on an event, applies what follows from it, and logs the verdict.

use levqor_runtime::{
    context::Scope,
    db::{DbError, Tx},
    work::MAX_ATTEMPTS,
};
use serde_json::Value;

use super::{
    follow::follow,
    look::{Fetched, Found, Seen},
};
use crate::{
    Billing,
    aftermath::Aftermath,
    domain::{
        checkout_session::CheckoutSession,
        sale::Sells,
        stripe_event::{EventObject, NotOurs, SessionEvent, Verdict},
        stripe_subscription::{Happened, Step},
    },
    mirror::{
        payments,
        subscriptions::{self, Outcome},
    },
    operators,
    store::{self, customers, orders, stripe_events::work::Pending},
};

/// Decides the verdict on an event and applies it. Adds its audit entries and counts to `aftermath`.
pub(super) async fn judge(
    tx: &mut Tx,
    billing: &Billing,
    event: &Pending,
    seen: &Seen,
    aftermath: &mut Aftermath,
) -> Result<Verdict, DbError> {
    let (found, about, told) = match seen {
        Seen::Nothing => return Ok(Verdict::Ignored),
        Seen::NotOurs(reason) => return Ok(Verdict::NotOurs(*reason)),
        Seen::NotUnderstood(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Seen::Temporary(reason) => return Ok(Verdict::failed(reason, event.this.attempts, MAX_ATTEMPTS)),
        Seen::Found(found, about, told) => (found, *about, told.as_slice()),
    };
    let news = event.news(tx.now().await?);
    match found {
        Found::Session(session, subscription) => {
            // An event about a payment does not say what happened to the session: the session's state decides.
            let session_event = match about {
                EventObject::Session(session_event) => session_event,
                _ => SessionEvent::Completed,
            };
            let subscription = subscription.as_deref();
            return of_session(tx, billing, event, (session, session_event, subscription), aftermath).await;
        }
        Found::Subscription(fetched) => {
            return of_subscription(tx, billing, event, (fetched, told), aftermath).await;
        }
        Found::Customer(customer) if customer.deleted => customers::forget(tx, &customer.id).await?,
        Found::Customer(customer) => customers::mirror(tx, &customer.id, &customer.name).await?,
        Found::Refunds(refunds) => {
            for refund in refunds {
                payments::mirror_refund(tx, refund, news).await?;
            }
        }
        Found::Dispute(dispute) => payments::mirror_dispute(tx, dispute, news, aftermath).await?,
        Found::Nothing => {}
    }
    Ok(Verdict::Processed)
}

async fn of_session(
    tx: &mut Tx,
    billing: &Billing,
    event: &Pending,
    (session, session_event, subscription): (&CheckoutSession, SessionEvent, Option<&Fetched>),
    aftermath: &mut Aftermath,
) -> Result<Verdict, DbError> {
    let session = &only_our_ids(tx, session).await?;
    match Sells::read(session, session_event, &billing.prices) {
        Err(reason) => Ok(Verdict::Quarantined(reason.to_string())),
        Ok(Sells::Other) => Ok(Verdict::NotOurs(NotOurs::OtherSale)),
        Ok(Sells::Order(sale)) => {
            // Every event of a sale then gives the same time, whenever it is processed.
            let sold_at = session.charge_time.unwrap_or(event.create_time);
            let news = event.news(tx.now().await?);
            follow(tx, &billing.site, &sale, sold_at, &event.event_id, news, aftermath).await?;
            Ok(Verdict::Processed)
        }
        Ok(Sells::Subscription) => {
            let Some(fetched) = subscription else {
                subscriptions::session_without_subscription(tx, session, session_event).await?;
                return Ok(Verdict::Processed);
            };
            let verdict = of_subscription(tx, billing, event, (fetched, &[]), aftermath).await?;
            // The session is ours, so we were paid: an operator has to look.
            Ok(if verdict == Verdict::NotOurs(NotOurs::OtherSale) {
                Verdict::Quarantined("a subscription of ours at a price that is not ours".to_owned())
            } else {
                verdict
            })
        }
    }
}

/// The session. Ids in its metadata that billing has not stored are removed. Our checkout stores the row before Stripe makes the
/// session. Other shops write an `order_id` too.
async fn only_our_ids(tx: &mut Tx, session: &CheckoutSession) -> Result<CheckoutSession, DbError> {
    let mut session = session.clone();
    if let Some(id) = session.our_order
        && orders::get(tx, &Scope::All, id).await?.is_none()
    {
        session.our_order = None;
    }
    if let Some(id) = session.our_subscription
        && store::subscriptions::get(tx, id).await?.is_none()
    {
        session.our_subscription = None;
    }
    Ok(session)
}

async fn of_subscription(
    tx: &mut Tx,
    billing: &Billing,
    event: &Pending,
    (Fetched { subscription, version }, told): (&Fetched, &[Value]),
    aftermath: &mut Aftermath,
) -> Result<Verdict, DbError> {
    let (prices, news) = (&billing.prices, event.news(tx.now().await?));
    let outcome = subscriptions::mirror(tx, billing, subscription, *version, news, aftermath).await?;
    let row = match outcome {
        Outcome::Mirrored(row) => row,
        Outcome::NotOurs => return Ok(Verdict::NotOurs(NotOurs::OtherSale)),
        Outcome::NotUnderstood(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Outcome::Stale => {
            let reason = "the subscription changed while Stripe was asked";
            return Ok(Verdict::failed(reason, event.this.attempts, MAX_ATTEMPTS));
        }
    };
    let body =
        event.body.as_deref().filter(|_| EventObject::TOLD_IN_BODIES.contains(&event.event_type.as_str()));
    let body: Option<Value> = body.and_then(|body| serde_json::from_slice(body).ok());
    for snapshot in body.iter().chain(told) {
        // A thin event and its snapshot event report the same change. The key of the mail holds the snapshot event's id, so the
        // customer gets one mail.
        let Ok(happened) = Happened::read(snapshot) else { continue };
        for step in Step::all(snapshot, prices) {
            subscriptions::tell_step(tx, &row, &step, &happened, event).await?;
        }
    }
    if EventObject::tells_of_trial(&event.event_type) {
        subscriptions::tell_trial(tx, &row, event).await?;
    }
    Ok(Verdict::Processed)
}

/// Tells operators of an event that was quarantined, in the transaction that quarantines it.
pub(super) async fn tell_operators(
    tx: &mut Tx,
    id: &str,
    kind: &str,
    verdict: &Verdict,
    replays: i32,
) -> Result<(), DbError> {
    match verdict {
        Verdict::Quarantined(reason) => operators::quarantined(tx, id, kind, reason, replays).await,
        Verdict::Processed | Verdict::Ignored | Verdict::NotOurs(_) | Verdict::Retry(_) => Ok(()),
    }
}

/// Logs the verdict after it is committed. Quarantine is logged at a higher level, because an operator has to look.
pub(super) fn report(id: &str, kind: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Processed => {
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, "the Stripe event was processed");
        }
        Verdict::Ignored => {
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, "the Stripe event needs no action");
        }
        Verdict::NotOurs(reason) => {
            let reason = reason.as_str();
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, reason, "the Stripe event is not ours, and is ignored");
        }
        Verdict::Retry(reason) => {
            tracing::warn!(stripe_event.id = id, stripe_event.type = kind, reason, "the Stripe event waits for another try");
        }
        Verdict::Quarantined(reason) => {
            tracing::error!(stripe_event.id = id, stripe_event.type = kind, reason, "the Stripe event was quarantined");
        }
    }
}
