//! What a service is to the chassis: a name, settings, tables, routes, and work to do.

use std::{pin::Pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use prost::{Message, Name};
use sqlx::{PgConnection, migrate::Migrator};
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

use crate::{
    access,
    chassis::{Chassis, Tasks},
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    fail_point::FailPoint,
    metrics::{Definition, Readings},
    rpc::State,
    schedule::Schedule,
    telemetry::Fields,
    work::{self, Source},
};

pub use crate::hosted::Tunnelled;

/// A service of the mesh.
pub trait Service: State + Sized {
    /// Its name, as in its proto package `levqor.<name>.v1`.
    const NAME: &'static str;
    /// The encoded descriptors of its proto package.
    const DESCRIPTORS: &'static [u8];
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
    /// How much is journaled and not processed.
    fn journal(&self) -> impl Future<Output = Result<JournalDepth, DbError>> + Send {
        std::future::ready(Ok(JournalDepth::default()))
    }
}

/// A deferred call that is given up: it is kept as dead, and made again only when somebody replays it.
#[derive(Debug, Clone, Copy)]
pub struct GivenUp<'a> {
    pub(crate) rpc: &'a str,
    pub(crate) request: &'a [u8],
    /// How often it was tried.
    pub attempts: i32,
    /// What came of the last try: code and reason, nothing personal.
    pub failure: &'a str,
}

impl GivenUp<'_> {
    /// Its request, if the call was to the RPC that takes such requests.
    #[must_use]
    pub fn request<R: Message + Name + Default>(&self) -> Option<R> {
        let rpc = &access::methods().by_request(&R::full_name())?.rpc;
        if rpc == self.rpc { R::decode(self.request).ok() } else { None }
    }
}

/// Something that a service can do when it is configured.
#[derive(Debug, Clone)]
pub struct Capability {
    /// Its name, `stripe_refetch`.
    pub name: &'static str,
    /// Whether it is on.
    pub state: CapabilityState,
    /// How it is on, or why it is off; names settings, never values.
    pub reason: String,
    /// When that was measured; none where it follows from the settings alone.
    pub measured: Option<DateTime<Utc>>,
}

/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityState {
    /// Configured.
    On,
    /// Not configured, or not built.
    Off,
    /// Configured, and did not work when it was last measured.
    Failed,
}

impl CapabilityState {
    /// As status surfaces write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Failed => "FAILED",
        }
    }
}

impl Capability {
    /// On.
    #[must_use]
    pub fn on(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::On, reason: reason.into(), measured: None }
    }

    /// Off.
    #[must_use]
    pub fn off(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Off, reason: reason.into(), measured: None }
    }

    /// On, and does not work.
    #[must_use]
    pub fn failed(name: &'static str, reason: impl Into<String>) -> Self {
        Self { name, state: CapabilityState::Failed, reason: reason.into(), measured: None }
    }

    /// Whether it is on, and works as far as is known.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state == CapabilityState::On
    }

    /// The same, as it was measured then.
    #[must_use]
    pub fn measured_at(mut self, time: DateTime<Utc>) -> Self {
        self.measured = Some(time);
        self
    }
}

/// How much is journaled and not processed.
#[derive(Debug, Clone, Copy, Default)]
pub struct JournalDepth {
    /// Waiting.
    pub pending: i64,
    /// Not understood.
    pub quarantined: i64,
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
