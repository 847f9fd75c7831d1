//! What a service is to the chassis: a name, settings, tables, routes, and work to do.

use std::{pin::Pin, sync::Arc, time::Duration};

use sqlx::{PgConnection, migrate::Migrator};
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

use crate::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    fail_point::FailPoint,
    metrics::{Definition, Readings},
    rpc::State,
    schedule::Schedule,
    tasks::Tasks,
    telemetry::Fields,
    webhook::Backlog,
    work::{self, Source},
};

/// What the trait names.
pub use crate::{
    capability::{Capability, CapabilityState},
    deferred::GivenUp,
    tunnel::Tunnelled,
};

/// A service of the mesh.
pub trait Service: State + Sized {
    /// Its name, as in its proto package `levqor.<name>.v1`.
    const NAME: &'static str;
    /// The encoded descriptors of the proto packages that it hosts.
    const DESCRIPTORS: &'static [&'static [u8]];
    /// Those of the packages of other services that it calls.
    const CALLS: &'static [&'static [u8]] = &[];
    /// Fields of its events and spans that may leave the process, beside the chassis' own.
    const FIELDS: Fields = Fields::NONE;
    /// What it counts and times, beside what the chassis does.
    const METRICS: &'static [Definition] = &[];
    /// Where a test can have it killed, beside the chassis' own places.
    const FAIL_POINTS: &'static [FailPoint] = &[];
    /// What it reads from the environment.
    type Config: Send + 'static;

    /// Its own settings.
    fn settings() -> Vec<Setting>;
    /// Reads its configuration. None only with a problem noted.
    fn config(reader: &mut Reader<'_>) -> Option<Self::Config>;
    /// Its migrations.
    fn migrator() -> &'static Migrator;
    /// Puts the service together. Nothing may be called yet.
    fn build(
        config: Self::Config,
        chassis: Chassis,
    ) -> impl Future<Output = anyhow::Result<Arc<Self>>> + Send;
    /// Adds its gRPC services.
    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder);
    /// Adds those of its RPCs that can be called through a tunnel too: unary ones that come by the thousand.
    fn tunnelled(self: &Arc<Self>, _tunnelled: &mut Tunnelled) {}
    /// What it can do, and what is off, and why.
    fn capabilities(&self) -> Vec<Capability>;
    /// Calls that it defers by the clock.
    #[must_use]
    fn schedules() -> Vec<Schedule> {
        Vec::new()
    }
    /// Adds its sources of work beside the deferred calls.
    fn workers(self: &Arc<Self>, _workers: &mut Workers) {}
    /// Measures what only its own tables know, for the metrics: by one bounded query, every 15 seconds. What fails is
    /// not shown until it succeeds.
    fn measure(
        &self,
        _conn: &mut PgConnection,
        _readings: &mut Readings,
    ) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// What `levqor doctor` asks of everything that this configuration names, without a running service; of its database
    /// only where that can be reached.
    #[must_use]
    fn checks(_config: &Self::Config, _database: Option<&DatabaseUrl>) -> Vec<Check> {
        Vec::new()
    }
    /// Decides what follows for its own tables from a call of its own that is given up, in the transaction that gives it
    /// up: whatever waits for that call must not wait for ever without a word.
    fn gave_up(&self, _tx: &mut Tx, _call: &GivenUp<'_>) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// The backlog of its journal of webhooks; none where it has no journal.
    fn journal(_conn: &mut PgConnection) -> impl Future<Output = Result<Option<Backlog>, DbError>> + Send {
        std::future::ready(Ok(None))
    }
}

type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Collects a service's sources of work.
pub struct Workers {
    tasks: Tasks,
    stop: CancellationToken,
    loops: Vec<Loop>,
}

impl Workers {
    pub(crate) fn new(tasks: Tasks, stop: CancellationToken) -> Self {
        Self { tasks, stop, loops: Vec::new() }
    }

    /// Adds a source.
    pub fn add<S: Source>(&mut self, source: S) {
        self.loops.push(Box::pin(work::run(Arc::new(source), self.tasks.clone(), self.stop.clone())));
    }

    /// Adds something that is done now, and again so long after each time as it says itself: a measurement of what is
    /// outside, say. Every replica does it for itself.
    pub fn again<F: Future<Output = Duration> + Send>(
        &mut self,
        mut work: impl FnMut() -> F + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.loops.push(Box::pin(async move {
            while !stop.is_cancelled() {
                tokio::select! {
                    () = async { tokio::time::sleep(work().await).await } => {}
                    () = stop.cancelled() => {}
                }
            }
        }));
    }

    pub(crate) fn into_loops(self) -> Vec<Loop> {
        self.loops
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::{eventually, spawn};

    #[tokio::test]
    async fn what_is_done_again_is_done_until_the_drain_whatever_it_waits_for() {
        let (stop, times) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let mut workers = Workers::new(Tasks::default(), stop.clone());
        let counted = Arc::clone(&times);
        workers.again(move || {
            let time = counted.fetch_add(1, Ordering::SeqCst);
            async move { if time < 2 { Duration::ZERO } else { Duration::MAX } }
        });
        let loops = workers.into_loops().into_iter().map(spawn).collect::<Vec<_>>();
        eventually("it waits", || async { (times.load(Ordering::SeqCst) == 3).then_some(()) }).await;
        stop.cancel();
        for each in loops {
            each.await.expect("it ends");
        }
        assert_eq!(times.load(Ordering::SeqCst), 3);
    }
}
