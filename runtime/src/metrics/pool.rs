//! The metrics of the connection pool: connections, waiting callers, wait times and timeouts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use opentelemetry::KeyValue;
use sqlx::PgPool;

use super::{Count, Metrics, Timing, chassis};

/// The counters and timings of a pool.
#[derive(Debug, Clone)]
pub struct PoolMetrics {
    wait: Timing,
    timeouts: Count,
    pending: Arc<AtomicU64>,
}

impl PoolMetrics {
    /// Shows a pool among a service's metrics.
    #[must_use]
    pub fn new(metrics: &Metrics, service: &str, pool: &PgPool) -> Self {
        let name = KeyValue::new("db.client.connection.pool.name", service.to_owned());
        let own = [name.clone()];
        let pending = Arc::new(AtomicU64::new(0));
        let state = |state| [name.clone(), KeyValue::new("db.client.connection.state", state)];
        let (idle, used) = (state("idle"), state("used"));
        let of = pool.clone();
        metrics.gauge(&chassis::POOL_CONNECTIONS, move |observe| {
            let all = of.size();
            let free = u32::try_from(of.num_idle()).unwrap_or(all).min(all);
            observe(f64::from(free), &idle);
            observe(f64::from(all - free), &used);
        });
        let (most, labels) = (f64::from(pool.options().get_max_connections()), own.clone());
        metrics.gauge(&chassis::POOL_MAX, move |observe| observe(most, &labels));
        let (waiting, labels) = (Arc::clone(&pending), own.clone());
        #[expect(clippy::cast_precision_loss, reason = "no more wait than there are requests")]
        metrics.gauge(&chassis::POOL_PENDING, move |observe| {
            observe(waiting.load(Ordering::Relaxed) as f64, &labels);
        });
        Self {
            wait: metrics.histogram(&chassis::POOL_WAIT, &own),
            timeouts: metrics.counter(&chassis::POOL_TIMEOUTS, &own),
            pending,
        }
    }

    /// Waits for a connection and records how long that took.
    pub(crate) async fn wait<T>(
        &self,
        acquire: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let begun = Instant::now();
        // A caller that disconnects is no longer counted as waiting.
        let waiting = Waiting::new(&self.pending);
        let acquired = acquire.await;
        drop(waiting);
        match &acquired {
            Ok(_) => self.wait.record(begun.elapsed()),
            Err(sqlx::Error::PoolTimedOut) => self.timeouts.one(),
            Err(_) => {}
        }
        acquired
    }
}

struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(pending: &'a AtomicU64) -> Self {
        pending.fetch_add(1, Ordering::Relaxed);
        Self(pending)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
