//! The Stripe journal at work: claims what is due under leases, looks at what the events are about, and lets orders
//! follow, in one transaction behind the lease's fence.
//!
//! Nothing that was acknowledged is lost: an event stays PENDING until the transaction that it led to is committed.
//! Nothing happens twice: that transaction changes nothing unless the worker still holds the lease, and an order moves
//! only up.

mod follow;
mod look;

use std::sync::Arc;

use levqor_runtime::{
    audit,
    context::Actor,
    db::{Db, DbError, Tx},
    error::ServiceError,
    rpc::State as _,
    service::Service as _,
    telemetry,
    work::{self, Source},
};
use look::Seen;
use tokio::sync::Notify;
use tracing::{Instrument, Span};

use crate::{
    Billing,
    domain::{
        order::Order,
        sale::Sale,
        stripe_event::{SessionEvent, Verdict},
        stripe_id::StripeId,
    },
    store::{
        leases::{self, Lease},
        stripe_events::{self, Pending},
    },
};

/// Keys that this process works on at once.
const CONCURRENCY: usize = 8;
/// Events that nothing follows from, settled in one statement.
const UNHEEDED: i64 = 500;
/// Events of one key that are looked at in one go; more are taken up in the next.
const BATCH: i64 = 50;

/// The work list of Stripe's events.
pub struct Journal {
    billing: Arc<Billing>,
}

/// An event that is worked on, with the span that goes on from the request that brought it.
struct Task {
    event: Pending,
    span: Span,
}

impl Journal {
    /// The journal of this service.
    #[must_use]
    pub fn new(billing: Arc<Billing>) -> Self {
        Self { billing }
    }

    fn db(&self) -> &Db {
        &self.billing.chassis().db
    }

    async fn load(&self, lease: &Lease) -> Result<Vec<Task>, DbError> {
        let with_bodies = self.billing.stripe.is_none();
        let mut conn = self.db().acquire().await?;
        let events = stripe_events::pending(&mut conn, &lease.key, with_bodies, BATCH).await?;
        let task = |event: Pending| {
            let span = telemetry::resumed_span("process Stripe event", &event.trace_parent);
            Task { event, span }
        };
        Ok(events.into_iter().map(task).collect())
    }

    /// Lets follow what was seen, settles the events and gives the key free: all of it, or nothing where the lease was
    /// lost.
    async fn settle(&self, lease: &Lease, tasks: &[Task], seen: &[Seen]) -> Result<(), DbError> {
        let mut tx = self.db().begin().await?;
        if !leases::hold(&mut tx, lease).await? {
            tracing::info!("the lease on a Stripe customer or object was lost; nothing is changed");
            return Ok(());
        }
        let (mut verdicts, mut paid) = (Vec::new(), Vec::new());
        for (Task { event, span }, seen) in tasks.iter().zip(seen) {
            let verdict = judge(&mut tx, event, seen, &mut paid).instrument(span.clone()).await?;
            let retry_at = match verdict {
                Verdict::Retry(_) => Some(tx.now().await? + work::backoff(event.attempts + 1)),
                Verdict::Processed | Verdict::Quarantined(_) => None,
            };
            stripe_events::settle(&mut tx, &lease.key, event.sequence, &verdict, retry_at).await?;
            verdicts.push(verdict);
        }
        leases::release(&mut tx, lease).await?;
        let more = stripe_events::has_pending(&mut tx, &lease.key).await?;
        let billing = Actor::Service(Billing::NAME.to_owned());
        for (order, event_id) in paid {
            // Last, because each entry holds the chain's lock until the commit.
            let order_id = order.id.to_string();
            let ids = [("order_id", order_id.as_str()), ("stripe_event_id", event_id.as_str())];
            audit::append(&mut tx, &billing, "order.paid", &ids).await?;
        }
        tx.commit().await?;
        for (task, verdict) in tasks.iter().zip(&verdicts) {
            task.span.in_scope(|| report(&task.event, verdict));
        }
        if more {
            self.billing.chassis().wakes.journal.notify_one();
        }
        Ok(())
    }
}

/// Decides what becomes of an event, and moves the order that it is about. Orders that became paid are added to `paid`.
async fn judge<'a>(
    tx: &mut Tx,
    event: &'a Pending,
    seen: &Seen,
    paid: &mut Vec<(Order, &'a StripeId)>,
) -> Result<Verdict, DbError> {
    let (session, session_event) = match seen {
        Seen::Nothing => return Ok(Verdict::Processed),
        Seen::NotUnderstood(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Seen::MayPass(reason) => return Ok(Verdict::failed(reason, event.attempts, work::MAX_ATTEMPTS)),
        Seen::Session(session, session_event) => (session, *session_event),
    };
    match Sale::read(session, session_event) {
        Err(reason) => return Ok(Verdict::Quarantined(reason.to_string())),
        Ok(None) => {}
        Ok(Some(sale)) => {
            let order = follow::follow(tx, &sale, event.create_time).await?;
            paid.extend(order.map(|order| (order, &event.event_id)));
        }
    }
    Ok(Verdict::Processed)
}

/// Tells what became of an event, once it is so. Quarantine is raised: somebody has to look.
fn report(event: &Pending, verdict: &Verdict) {
    let (id, kind) = (event.event_id.as_str(), event.event_type.as_str());
    match verdict {
        Verdict::Processed => {
            tracing::info!(stripe_event.id = id, stripe_event.type = kind, "the Stripe event was processed");
        }
        Verdict::Retry(reason) => {
            tracing::warn!(stripe_event.id = id, stripe_event.type = kind, reason, "the Stripe event waits for another try");
        }
        Verdict::Quarantined(reason) => {
            tracing::error!(stripe_event.id = id, stripe_event.type = kind, reason, "the Stripe event was quarantined");
        }
    }
}

impl Source for Journal {
    type Item = Lease;

    fn name(&self) -> &'static str {
        "stripe_journal"
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.billing.chassis().wakes.journal)
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Lease>, DbError> {
        let mut conn = self.db().acquire().await?;
        // Most events are of types that nothing follows from: they are settled by the hundred, not one by one.
        let settled = stripe_events::settle_unheeded(&mut conn, &SessionEvent::PATTERNS, UNHEEDED).await?;
        if settled > 0 {
            tracing::debug!(settled, "Stripe events that nothing follows from were processed");
            self.wake().notify_one();
        }
        leases::claim(&mut conn, &SessionEvent::PATTERNS, limit).await
    }

    async fn process(&self, lease: Lease) {
        let tasks = match self.load(&lease).await {
            Ok(tasks) => tasks,
            Err(error) => return lapse(&error),
        };
        let seen = look::look(self.billing.stripe.as_ref(), &tasks).await;
        let Err(error) = self.settle(&lease, &tasks, &seen).await else { return };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the outcome of Stripe events cannot be stored"
        );
        let failed = Seen::MayPass(format!("the database refused the outcome ({})", error.reason()));
        let failed = vec![failed; tasks.len()];
        if let Err(error) = self.settle(&lease, &tasks, &failed).await {
            lapse(&error);
        }
    }
}

/// Nothing can be stored now. The lease runs out, and whoever comes next takes the work up.
fn lapse(error: &DbError) {
    tracing::warn!(error = error as &dyn std::error::Error, "Stripe events wait until their lease runs out");
}
