//! Tasks: those that the drain waits for, and those that end with the part of the process that owns them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::{Instrument, Span};

/// How long work may continue without a waiting caller: longer than any deadline, so it waits for a server that disappeared.
const AT_MOST: Duration = Duration::from_mins(5);

/// Tasks that the drain waits for. No other code spawns tasks.
#[derive(Debug, Clone, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs a future to its end, even if its caller stops waiting.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    /// Runs a future in the awaiting task. If the awaiting task drops it, it continues as its own task, in the current span, to
    /// its end or for five minutes. A task from the beginning would cost every call two more scheduler turns.
    pub fn keep<F>(&self, work: F) -> Kept<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Kept {
            work: Some(Box::pin(work)),
            span: Span::current(),
            tasks: self.clone(),
            _token: self.0.token(),
        }
    }

    /// Waits until every task has ended.
    pub async fn finish(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// A future that continues after it is dropped.
#[must_use = "it does nothing until it is awaited or dropped"]
pub struct Kept<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    span: Span,
    tasks: Tasks,
    /// Makes the drain wait for it, wherever it runs.
    _token: TaskTrackerToken,
}

impl<F: Future<Output: Send> + Send + 'static> Future for Kept<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out, so that a future that panics is not polled again.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Kept<F> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        // Without a runtime, nothing can continue.
        if Handle::try_current().is_err() {
            return;
        }
        let work = async move {
            if timeout(AT_MOST, work).await.is_err() {
                tracing::error!(error.type = "internal", reason = "INTERNAL", "work for which no caller waited took too long and was stopped");
            }
        };
        self.tasks.spawn(work.instrument(self.span.clone()));
    }
}

/// Tasks that stop when this is dropped.
#[derive(Default, Clone)]
pub struct Background {
    tasks: Tasks,
    stop: CancellationToken,
}

impl Background {
    /// Runs until stopped.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        let stop = self.stop.clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(future));
    }

    /// Stops everything.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_continues_after_its_caller_stops_waiting_and_the_drain_waits_for_it() {
        for begun in [false, true] {
            let tasks = Tasks::default();
            let (open, gate) = oneshot::channel::<()>();
            let (done, mut seen) = oneshot::channel();
            let mut kept = tasks.keep(async move {
                gate.await.expect("opened");
                done.send(()).expect("awaited");
            });
            if begun {
                assert!(poll!(&mut kept).is_pending());
            }
            let mut drain = Box::pin(tasks.finish());
            assert!(poll!(&mut drain).is_pending(), "it is waited for where it is awaited");
            drop(kept);
            assert!(poll!(&mut drain).is_pending(), "and where it goes on");
            open.send(()).expect("the work goes on");
            drain.await;
            seen.try_recv().expect("it was done");
        }
    }

    #[tokio::test]
    async fn work_that_is_done_is_not_done_again() {
        let tasks = Tasks::default();
        let mut kept = tasks.keep(async { 7 });
        assert_eq!((&mut kept).await, 7);
        drop(kept);
        assert!(tasks.0.is_empty());
    }

    #[tokio::test]
    async fn log_lines_of_work_without_a_caller_are_in_its_span() {
        let (log, _guard) = crate::testing::Log::start(tracing::Level::WARN);
        let tasks = Tasks::default();
        let work = async { tracing::warn!("alone") };
        drop(tracing::error_span!("call", request.id = "r1").in_scope(|| tasks.keep(work)));
        tasks.finish().await;
        assert!(log.text().contains("r1"), "{}", log.text());
    }

    #[test]
    fn without_a_runtime_work_ends_and_nothing_panics() {
        drop(Tasks::default().keep(std::future::pending::<()>()));
    }
}
