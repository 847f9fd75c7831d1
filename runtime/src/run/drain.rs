//! The graceful shutdown of a process, in which no call fails. The gateway uses it too.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::start::Running;
use crate::{lifecycle::Readiness, service::Service};

/// How long the drain waits for deferred work. A replica, or this process after its next start, continues the work that is cut off.
const DEFERRED_WORK: Duration = Duration::from_secs(20);
const CALLS: Duration = Duration::from_secs(15);
const POOL: Duration = Duration::from_secs(3);

impl<S: Service> Running<S> {
    /// Stops without failing a call: reports not ready, waits until callers know, finishes the work in progress, then the open
    /// calls. Each part has its own limit, so one part that hangs does not take time from the others.
    pub async fn drain(mut self) {
        announce(&self.readiness, self.drain_delay, self.health.report(false)).await;
        // Ends the health watch streams.
        self.health.clear().await;
        self.work.cancel();
        // Work ends first: calls that the service defers to itself still need the server.
        finish("deferred work", DEFERRED_WORK, self.work_tasks.finish()).await;
        self.serve_stop.cancel();
        let (watch, server) = (&mut self.watch, &mut self.server);
        finish("calls", CALLS, async {
            // A panic in these tasks was reported where it happened.
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

/// Reports that the process is not ready any more, also through `tell`, and waits until callers have noticed.
pub async fn announce(readiness: &Readiness, delay: Duration, tell: impl Future<Output = ()>) {
    readiness.set_draining();
    tell.await;
    sleep(delay).await;
}

/// Waits until a part of the process has finished, up to its limit.
pub async fn finish(part: &str, limit: Duration, finished: impl Future<Output = ()>) {
    if timeout(limit, finished).await.is_err() {
        tracing::warn!(what = part, "the drain reached its time limit; this part of it did not finish");
    }
}
