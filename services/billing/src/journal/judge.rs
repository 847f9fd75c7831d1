//! Decides the verdict on an event, and logs it.

use levqor_runtime::{
    db::{DbError, Tx},
    work::MAX_ATTEMPTS,
};

use super::{follow::follow, look::Seen};
use crate::{
    domain::{order::Order, sale::Sale, stripe_event::Verdict, stripe_id::StripeId},
    store::stripe_events::work::Pending,
};

/// Decides the verdict on an event and updates its order. Adds orders that became paid to `paid`.
pub(super) async fn judge<'a>(
    tx: &mut Tx,
    event: &'a Pending,
    seen: &Seen,
    paid: &mut Vec<(Order, &'a StripeId)>,
) -> Result<Verdict, DbError> {
    let (session, session_event) = match seen {
        Seen::Nothing => return Ok(Verdict::Ignored),
        Seen::NotOurs(reason) => return Ok(Verdict::NotOurs(*reason)),
        Seen::NotUnderstood(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Seen::MayPass(reason) => return Ok(Verdict::failed(reason, event.this.attempts, MAX_ATTEMPTS)),
        Seen::Session(session, session_event) => (session, *session_event),
    };
    match Sale::read(session, session_event) {
        Err(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Ok(None) => {}
        Ok(Some(sale)) => {
            // Every event of a sale then gives the same time, whenever it is processed.
            let sold_at = session.charge_time.unwrap_or(event.create_time);
            let order = follow(tx, &sale, sold_at).await?;
            paid.extend(order.map(|order| (order, &event.event_id)));
        }
    }
    Ok(Verdict::Processed)
}

/// Logs the verdict after it is committed. Quarantine is logged at a higher level, because an operator has to look.
pub(super) fn report(id: &str, kind: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Processed => {
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, "the Stripe event was processed");
        }
        Verdict::Ignored => {
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, "nothing follows from the Stripe event");
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
