//! The way out of a process that is told to stop: no call fails. The gateway leaves in the same way.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::start::Running;
use crate::{lifecycle::Readiness, service::Service};

/// How long the drain of a service waits: for deferred work, for calls, and for the pool's connections. Deferred work that is
/// cut off is taken up by another replica, or by this one after its next start.
const DEFERRED_WORK: Duration = Duration::from_secs(20);
const CALLS: Duration = Duration::from_secs(15);
const POOL: Duration = Duration::from_secs(3);

impl<S: Service> Running<S> {
    /// Stops without failing a call: says that it is not ready, waits until that is known, finishes the work it has
    /// begun, then the calls it has taken. Each part has a limit of its own, so that one that hangs does not cost the others.
    pub async fn drain(mut self) {
        announce(&self.readiness, self.drain_delay, self.health.report(false)).await;
        // Ends the streams of those who watch the health.
        self.health.clear().await;
        self.work.cancel();
        // Work first: what is deferred to oneself still needs the server.
        finish("deferred work", DEFERRED_WORK, self.work_tasks.finish()).await;
        self.serve_stop.cancel();
        let (watch, server) = (&mut self.watch, &mut self.server);
        finish("calls", CALLS, async {
            // A panic of theirs was reported where it happened.
            let _ = tokio::join!(watch, server);
            self.chassis.tasks.finish().await;
        })
        .await;
        self.server.abort();
        self.watch.abort();
        self.background.stop();
        finish("connections", POOL, self.chassis.db.pool().close()).await;
        tracing::info!(service = S::NAME, "stopped");
    }
}

/// Says that the process is not ready any more, also to those whom `tell` tells, and waits until callers have noticed.
pub async fn announce(readiness: &Readiness, delay: Duration, tell: impl Future<Output = ()>) {
    readiness.set_draining();
    tell.await;
    sleep(delay).await;
}

/// Waits until a part of the process has finished, and not for longer than its limit.
pub async fn finish(part: &str, limit: Duration, finished: impl Future<Output = ()>) {
    if timeout(limit, finished).await.is_err() {
        tracing::warn!(what = part, "the drain reached its limit; this part of it was cut off");
    }
}
