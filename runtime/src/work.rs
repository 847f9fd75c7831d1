//! The one worker loop: claims work under a lease, processes it, settles it behind a fence, retries with backoff, and marks it
//! dead.
//!
//! Deferred calls and journals share it. A source claims rows by SQL, where constraints and row locks decide races. The loop adds
//! concurrency, wake-ups and the stop.

mod fences;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use fences::{Drawn, Fences};

use crate::{db::DbError, tasks::Tasks};

/// How long a claim holds. After this, the next worker that polls takes over a killed worker's work.
pub const LEASE: Duration = Duration::from_secs(45);
/// How long one attempt may take; far below the lease.
pub const TRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts before work is dead. With `backoff` they span about three days.
pub const MAX_ATTEMPTS: i32 = 25;
/// How long a claim may take. PostgreSQL's own statement timeout is shorter.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the loop polls a source without a wake-up. This is the longest delay for work that another process wrote.
const POLL: Duration = Duration::from_millis(500);
/// How often the loop polls while the database is unavailable.
const POLL_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long to wait before the next attempt: 1 s doubling to 6 h. The jitter of 20 % either way spreads work that failed
/// together.
#[must_use]
pub fn backoff(attempts: i32) -> TimeDelta {
    const CAP_MS: f64 = 6.0 * 3600.0 * 1000.0;
    let exponent = attempts.clamp(1, 30) - 1;
    let jitter = rand::random_range(0.8..1.2);
    let delay_ms = (1000.0 * 2f64.powi(exponent)).min(CAP_MS) * jitter;
    #[expect(clippy::cast_possible_truncation, reason = "at most 7.2 hours in milliseconds")]
    TimeDelta::milliseconds(delay_ms as i64)
}

/// Work that is claimed row by row.
pub trait Source: Send + Sync + 'static {
    /// One claimed item of work, with its fence.
    type Item: Send + 'static;
    /// The name in logs and metrics.
    fn name(&self) -> &'static str;
    /// How many items this process works on at once.
    fn concurrency(&self) -> usize;
    /// How many free permits a claim waits for in a backlog, so that one claim takes several items. It must not exceed the number
    /// that stays free when items hang.
    fn several(&self) -> usize {
        self.concurrency() / 4
    }
    /// The signal that wakes this source.
    fn wake(&self) -> Arc<Notify>;
    /// Claims up to `limit` due items that no worker holds.
    fn claim(&self, limit: i64) -> impl Future<Output = Result<Vec<Self::Item>, DbError>> + Send;
    /// Processes and settles one item. It settles and logs failures itself.
    fn process(&self, item: Self::Item) -> impl Future<Output = ()> + Send;
}

/// Works until the shutdown, then finishes the work in progress.
pub async fn run<S: Source>(source: Arc<S>, tasks: Tasks, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(source.concurrency()));
    let wake = source.wake();
    // In a backlog one claim takes several items, since each claim costs a commit.
    let several = u32::try_from(source.several()).unwrap_or(1).max(1);
    let mut backlog = false;
    while !stop.is_cancelled() {
        let least = if backlog { several } else { 1 };
        let first = tokio::select! {
            permit = permits.clone().acquire_many_owned(least) => permit,
            () = stop.cancelled() => return,
        };
        let Ok(first) = first else { return };
        let free = permits.available_permits() + first.num_permits();
        // A server that disappears without closing the connection must not block the loop until the kernel's timeout.
        let claim = source.claim(i64::try_from(free).unwrap_or(1));
        let claimed = tokio::time::timeout(CLAIM_TIMEOUT, claim).await;
        let claimed = claimed.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
        backlog = claimed.as_ref().is_ok_and(|items| items.len() == free);
        let pause = match claimed {
            Ok(items) if items.is_empty() => Some(POLL),
            Ok(items) => {
                drop(first);
                for item in items {
                    // A claim never exceeds the free permits, and only this loop takes permits.
                    let Ok(permit) = permits.clone().acquire_owned().await else { return };
                    let source = Arc::clone(&source);
                    tasks.spawn(
                        async move {
                            let work = AssertUnwindSafe(source.process(item)).catch_unwind();
                            // After the lease another worker may own the item, so this worker could not settle it any more.
                            match tokio::time::timeout(LEASE, work).await {
                                Ok(Ok(())) => {}
                                // A panic is a bug. The lease expires, and a worker takes the item again.
                                Ok(Err(_)) => {
                                    tracing::error!(error.type = "panic", source = source.name(), "a worker panicked");
                                }
                                Err(_) => tracing::warn!(
                                    source = source.name(),
                                    "a worker was stopped at the end of its lease"
                                ),
                            }
                            drop(permit);
                        }
                        .in_current_span(),
                    );
                }
                None
            }
            Err(error) => {
                tracing::warn!(
                    source = source.name(),
                    error = &error as &dyn std::error::Error,
                    "cannot claim work"
                );
                Some(POLL_AFTER_FAILURE)
            }
        };
        if let Some(pause) = pause {
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_five_tries_span_about_three_days() {
        let total: TimeDelta = (1..MAX_ATTEMPTS).map(backoff).sum();
        assert!((48..=84).contains(&total.num_hours()), "{} hours", total.num_hours());
        assert!(backoff(1) <= TimeDelta::milliseconds(1_200));
        assert!(backoff(i32::MAX) <= TimeDelta::hours(8));
    }
}
