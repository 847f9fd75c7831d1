//! The worker of the Stripe journal. It claims due events under leases, reads their objects, and updates the orders in one
//! transaction that the lease's fence protects.
//!
//! No acknowledged event is lost: an event stays PENDING until its transaction commits. No effect happens twice: the transaction
//! changes nothing unless the worker still holds the lease, and an order's payment state never moves back.

mod follow;
mod judge;
mod look;

use std::{
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use judge::{judge, report, tell_operators};
use levqor_runtime::{
    db::{Db, DbError},
    error::ServiceError,
    rpc::State as _,
    service::Service as _,
    telemetry,
    work::{self, Fences, Source},
};
use look::Seen;
use tokio::sync::Notify;
use tracing::{Instrument, Span};

use crate::{
    Billing,
    aftermath::Aftermath,
    domain::stripe_event::{EventObject, NotOurs, State, Verdict},
    fail_point,
    store::{
        leases::{self, Lease},
        stripe_events::work::{self as events, Pending},
    },
};

/// Keys that this process works on concurrently.
const CONCURRENCY: usize = 8;
/// Events that one statement marks as ignored, or as pending again.
const IGNORE_BATCH: i64 = 500;
/// How often this process looks for ignored events that it can handle. It looks at its start. It looks again because, during an
/// upgrade or a change of the mode, the older process still ignores such events.
const LOOK_AGAIN_SECONDS: u64 = 60;
/// Events of one key in one batch. The next batch takes the other events.
const BATCH: i64 = 50;
/// How long a worker starts single events under one lease. The last event may take 25 s more, and the lease has to last
/// until it is settled.
const ONE_BY_ONE: Duration = Duration::from_secs(15);
/// How long, and how often, the worker tries to end a lease while the database is unavailable.
const END_PATIENCE: Duration = Duration::from_secs(15);
const END_AGAIN: Duration = Duration::from_millis(250);

/// The worker of the Stripe journal.
pub struct Journal {
    billing: Arc<Billing>,
    fences: Fences,
    /// When this process last looked for ignored events that it can handle, in Unix seconds.
    looked: AtomicI64,
    /// Whether the last batch held a pending event of an unhandled type. There may be more of them.
    ignored: AtomicBool,
}

/// An event to process, with a span that continues the trace of the webhook request.
struct Task {
    event: Pending,
    span: Span,
}

impl Journal {
    /// Creates the journal's worker.
    #[must_use]
    pub fn new(billing: Arc<Billing>) -> Self {
        Self {
            billing,
            fences: Fences::default(),
            looked: AtomicI64::new(0),
            ignored: AtomicBool::new(false),
        }
    }

    fn db(&self) -> &Db {
        &self.billing.chassis().db
    }

    /// Makes ignored events pending again if this process can handle them. An older version did not handle their type, or a
    /// setting named the wrong mode.
    async fn take_up_ignored(&self) -> Result<(), DbError> {
        let now = self.billing.chassis().clock.now().timestamp();
        if now.abs_diff(self.looked.load(Ordering::Relaxed)) < LOOK_AGAIN_SECONDS {
            return Ok(());
        }
        let without_bodies = self.billing.stripe.is_some();
        let types = EventObject::TYPES;
        let mut tx = self.db().begin_work().await?;
        let of_type = events::take_up_handled(&mut tx, types, without_bodies, IGNORE_BATCH).await?;
        let livemodes = self.billing.acts_on.livemodes();
        let of_mode =
            events::take_up_of_modes(&mut tx, types, livemodes, without_bodies, IGNORE_BATCH).await?;
        tx.commit().await?;
        if of_type > 0 {
            fail_point::JOURNAL_TAKEN_UP.reached();
            tracing::info!(
                taken_up = of_type,
                "Stripe events that an older version ignored will be processed"
            );
        }
        if of_mode > 0 {
            tracing::info!(
                taken_up = of_mode,
                "Stripe events that were ignored for their mode will be processed: the settings include it now"
            );
        }
        if of_type.max(of_mode) < IGNORE_BATCH.unsigned_abs() {
            self.looked.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Marks pending events of unhandled types as ignored, after a worker saw one. Such an event was replayed, or a version that
    /// handles more types left it pending. Many of them would delay the handled events behind them.
    async fn ignore(&self) -> Result<(), DbError> {
        if !self.ignored.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let mut tx = self.db().begin_work().await?;
        let ignored = events::ignore(&mut tx, EventObject::TYPES, IGNORE_BATCH).await?;
        tx.commit().await?;
        if ignored > 0 {
            fail_point::JOURNAL_IGNORED.reached();
            self.billing.metrics.judged(State::Ignored, ignored);
            tracing::debug!(settled = ignored, "Stripe events that need no action were ignored");
            self.ignored.store(true, Ordering::Relaxed);
            self.wake().notify_one();
        }
        Ok(())
    }

    /// Loads the due events of the lease's key, or only the event `only`.
    async fn load(&self, lease: &Lease, only: Option<i64>) -> Result<Vec<Task>, DbError> {
        let with_bodies = self.billing.stripe.is_none();
        let mut tx = self.db().begin_work().await?;
        let events =
            events::pending(&mut tx, &lease.key, only, with_bodies, EventObject::TOLD_IN_BODIES, BATCH)
                .await?;
        let task = |event: Pending| {
            let span = telemetry::resumed_span(Billing::NAME, "process Stripe event", &event.trace_parent);
            Task { event, span }
        };
        Ok(events.into_iter().map(task).collect())
    }

    async fn together(&self, lease: &Lease) -> Result<(), DbError> {
        let tasks = self.load(lease, None).await?;
        self.serve(lease, &tasks, true).await
    }

    /// Processes the events of an expired lease one by one. It is unknown which event killed the worker, made it panic or could
    /// not be loaded. So each attempt is counted and the event's next attempt is scheduled before this attempt begins. An event
    /// that kills its worker every time does not block the others, and ends in quarantine.
    async fn one_by_one(&self, lease: &Lease) -> Result<(), DbError> {
        let begun = Instant::now();
        while begun.elapsed() < ONE_BY_ONE {
            let Some(only) = self.charge(lease).await? else { break };
            fail_point::JOURNAL_CHARGED.reached();
            let mut tasks = self.load(lease, Some(only)).await?;
            for task in &mut tasks {
                // The counted attempt is this one.
                task.event.this.attempts -= i32::from(task.event.this.attempts > 0);
            }
            self.serve(lease, &tasks, false).await?;
            fail_point::JOURNAL_SERVED_ALONE.reached();
        }
        self.settle(lease, &[], &[], true).await
    }

    /// Counts an attempt of the key's longest-due event. Returns the event's sequence number, unless that was the last attempt.
    /// Events of unhandled types are first marked as ignored without being loaded, since loading one may kill the worker.
    async fn charge(&self, lease: &Lease) -> Result<Option<i64>, DbError> {
        let mut tx = self.db().begin_work().await?;
        if !leases::hold(&mut tx, lease).await? {
            return Ok(None);
        }
        let ignored = events::ignore_of(&mut tx, &lease.key, EventObject::TYPES).await?;
        let Some(event) = events::longest_due(&mut tx, &lease.key).await? else {
            tx.commit().await?;
            self.billing.metrics.judged(State::Ignored, ignored);
            return Ok(None);
        };
        let attempts = event.this.attempts;
        let verdict = Verdict::failed("a try of it did not end", attempts, work::MAX_ATTEMPTS);
        let retry_at = tx.now().await? + work::backoff(attempts + 1);
        events::settle(&mut tx, &lease.key, &event.this, &verdict, Some(retry_at)).await?;
        tell_operators(&mut tx, &event.event_id, &event.event_type, &verdict, event.this.replays).await?;
        tx.commit().await?;
        self.billing.metrics.judged(State::Ignored, ignored);
        if verdict.state() == State::Pending {
            return Ok(Some(event.this.sequence));
        }
        self.billing.metrics.judged(verdict.state(), 1);
        report(&event.event_id, &event.event_type, &verdict);
        Ok(None)
    }

    /// Reads the objects of events and settles the events.
    async fn serve(&self, lease: &Lease, tasks: &[Task], last: bool) -> Result<(), DbError> {
        let seen = look::look(&self.billing, tasks).await;
        fail_point::JOURNAL_FETCHED.reached();
        match self.settle(lease, tasks, &seen, last).await {
            Err(refusal) => self.settle_refused(lease, tasks, &seen, &refusal, last).await,
            Ok(()) => Ok(()),
        }
    }

    /// Applies the facts of the events and settles the events. After the key's last event it releases the lease. It changes nothing if the
    /// lease was lost.
    async fn settle(&self, lease: &Lease, tasks: &[Task], seen: &[Seen], last: bool) -> Result<(), DbError> {
        let mut tx = self.db().begin_work().await?;
        if !leases::hold(&mut tx, lease).await? {
            tracing::info!("the lease on a Stripe customer or object was lost; nothing is changed");
            return Ok(());
        }
        let (mut settled, mut aftermath) = (Vec::new(), Aftermath::default());
        for (Task { event, span }, seen) in tasks.iter().zip(seen) {
            let verdict =
                judge(&mut tx, &self.billing, event, seen, &mut aftermath).instrument(span.clone()).await?;
            let retry_at = match verdict {
                Verdict::Retry(_) => Some(tx.now().await? + work::backoff(event.this.attempts + 1)),
                Verdict::Processed | Verdict::Ignored | Verdict::NotOurs(_) | Verdict::Quarantined(_) => None,
            };
            if events::settle(&mut tx, &lease.key, &event.this, &verdict, retry_at).await? {
                if verdict.not_ours() == Some(NotOurs::SubjectErased) {
                    events::scrub(&mut tx, &event.event_id).await?;
                }
                tell_operators(
                    &mut tx,
                    event.event_id.as_str(),
                    &event.event_type,
                    &verdict,
                    event.this.replays,
                )
                .await?;
                settled.push((event, span, verdict));
            }
        }
        let more = last && {
            leases::release(&mut tx, lease).await?;
            events::has_pending(&mut tx, &lease.key).await?
        };
        // Last, because each audit entry holds the chain's lock until the commit.
        aftermath.write(&mut tx).await?;
        fail_point::JOURNAL_JUDGED.reached();
        tx.commit().await?;
        fail_point::JOURNAL_APPLIED.reached();
        aftermath.count(&self.billing.metrics);
        for (event, span, verdict) in settled {
            if let Some(reason) = verdict.not_ours() {
                self.billing.metrics.not_ours(reason, event.livemode);
            } else if verdict.state() == State::Ignored {
                self.ignored.store(true, Ordering::Relaxed);
            }
            self.billing.metrics.judged(verdict.state(), 1);
            span.in_scope(|| report(event.event_id.as_str(), &event.event_type, &verdict));
        }
        if more {
            self.billing.chassis().wakes.journal.notify_one();
        }
        Ok(())
    }

    /// Handles a database failure. It ends the lease as soon as the database is back, so the events wait no longer than the
    /// outage. If that fails too, the lease expires and another worker takes the events.
    async fn lapse(&self, lease: &Lease, error: &DbError) {
        tracing::warn!(error = error as &dyn std::error::Error, "Stripe events wait until their lease ends");
        let begun = Instant::now();
        let mut away = matches!(error, DbError::Unavailable(_));
        while away && begun.elapsed() < END_PATIENCE {
            tokio::time::sleep(END_AGAIN).await;
            away = matches!(self.end(lease).await, Err(DbError::Unavailable(_)));
        }
    }

    async fn end(&self, lease: &Lease) -> Result<(), DbError> {
        let mut conn = self.db().acquire().await?;
        leases::end(&mut conn, lease).await?;
        self.wake().notify_one();
        Ok(())
    }

    /// Settles again after the database refused the batch. If a row was refused, not only the connection or the lock, each event
    /// is settled alone. Then only the bad event is retried later, and the others go on.
    async fn settle_refused(
        &self,
        lease: &Lease,
        tasks: &[Task],
        seen: &[Seen],
        refusal: &DbError,
        last: bool,
    ) -> Result<(), DbError> {
        let at_fault = matches!(
            refusal,
            DbError::Statement(_) | DbError::TextNotStorable(_) | DbError::Constraint { .. }
        );
        if !at_fault || seen.len() < 2 {
            return self.settle(lease, tasks, &vec![refused(refusal); seen.len()], last).await;
        }
        for (n, (task, one)) in tasks.iter().zip(seen).enumerate() {
            let (task, last) = (slice::from_ref(task), last && n + 1 == seen.len());
            if let Err(refusal) = self.settle(lease, task, slice::from_ref(one), last).await {
                self.settle(lease, task, &[refused(&refusal)], last).await?;
            }
        }
        Ok(())
    }
}

/// Logs the database's refusal, and makes the event a retry.
fn refused(refusal: &DbError) -> Seen {
    tracing::warn!(
        error = refusal as &dyn std::error::Error,
        "the outcome of Stripe events cannot be stored"
    );
    Seen::Temporary(format!("the database refused the outcome ({})", refusal.reason()))
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
        self.take_up_ignored().await?;
        self.ignore().await?;
        let mut tx = self.db().begin_work().await?;
        let drawn = self.fences.draw();
        let claimed = async {
            let claimed = leases::claim(&mut tx, limit, &drawn).await?;
            tx.commit().await.map(|()| claimed)
        };
        let claimed = claimed.await;
        drawn.answered(claimed)
    }

    async fn process(&self, lease: Lease) {
        fail_point::JOURNAL_CLAIMED.reached();
        let done = if lease.lapsed { self.one_by_one(&lease).await } else { self.together(&lease).await };
        if let Err(error) = done {
            self.lapse(&lease, &error).await;
        }
    }
}
