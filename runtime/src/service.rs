//! A service as the chassis sees it: a name, settings, tables, routes and work.

use std::{pin::Pin, sync::Arc, time::Duration};

use sqlx::{PgConnection, migrate::Migrator};
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;
use uuid::Uuid;

use crate::{
    chassis::Chassis,
    check::Check,
    config::{Reader, Setting},
    db::{DatabaseUrl, DbError, Tx},
    digest::Period,
    email::Email,
    fail_point::FailPoint,
    guard::{GuardError, Wanted},
    metrics::{Definition, Readings},
    objections::ObjectionChange,
    privacy::{Erasures, HoldChange, Ledger, Obstacle, Subject},
    rpc::State,
    schedule::Schedule,
    storage::Storage,
    tasks::Tasks,
    telemetry::Fields,
    webhook::Backlog,
    work::{self, Source},
};

/// The types in the trait's signatures.
pub use crate::{
    capability::{Capability, CapabilityState},
    deferred::GivenUp,
    recipient::Recipient,
    tunnel::Tunnelled,
};

/// A service of the mesh.
pub trait Service: State + Sized {
    /// Its name, as in its proto package `levqor.<name>.v1`.
    const NAME: &'static str;
    /// The encoded descriptors of the proto packages that it hosts.
    const DESCRIPTORS: &'static [&'static [u8]];
    /// The encoded descriptors of other services' packages that it calls.
    const CALLS: &'static [&'static [u8]] = &[];
    /// Other services that it asks by RPCs that every service hosts.
    const ASKS: &'static [&'static str] = &[];
    /// Fields of its events and spans that may leave the process, in addition to the chassis' fields.
    const FIELDS: Fields = Fields::NONE;
    /// Its metrics, in addition to the chassis' metrics.
    const METRICS: &'static [Definition] = &[];
    /// Its fail points for tests, in addition to the chassis' fail points.
    const FAIL_POINTS: &'static [FailPoint] = &[];
    /// Its configuration, read from the environment.
    type Config: Send + 'static;

    /// Its own settings.
    fn settings() -> Vec<Setting>;
    /// Reads its configuration. Returns none only after it noted a problem.
    fn config(reader: &mut Reader<'_>) -> Option<Self::Config>;
    /// Its migrations.
    fn migrator() -> &'static Migrator;
    /// Builds the service. It must not call other services yet.
    fn build(
        config: Self::Config,
        chassis: Chassis,
    ) -> impl Future<Output = anyhow::Result<Arc<Self>>> + Send;
    /// Adds its gRPC services.
    fn routes(self: &Arc<Self>, routes: &mut RoutesBuilder);
    /// Adds the RPCs that can also be called through a tunnel: unary RPCs with thousands of calls.
    fn tunnelled(self: &Arc<Self>, _tunnelled: &mut Tunnelled) {}
    /// Its capabilities: which are on, which are off, and why.
    fn capabilities(&self) -> Vec<Capability>;
    /// The companies that may receive personal data from it, as this configuration turns them on. Those that are off are among them.
    #[must_use]
    fn recipients(_config: &Self::Config) -> Vec<Recipient> {
        Vec::new()
    }
    /// Its schedules.
    #[must_use]
    fn schedules() -> Vec<Schedule> {
        Vec::new()
    }
    /// Adds its sources of work, in addition to the deferred calls.
    fn workers(self: &Arc<Self>, _workers: &mut Workers) {}
    /// Measures values from its own tables for the metrics, by one bounded query every 15 seconds. A failure hides them.
    fn measure(
        &self,
        _conn: &mut PgConnection,
        _readings: &mut Readings,
    ) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// The checks of `levqor doctor` for what this configuration names. They need no running service, and only some its database.
    #[must_use]
    fn checks(_config: &Self::Config, _database: Option<&DatabaseUrl>) -> Vec<Check> {
        Vec::new()
    }
    /// Updates its own tables when one of its deferred calls becomes dead, in the same transaction, so that no work waits for ever.
    fn gave_up(&self, _tx: &mut Tx, _call: &GivenUp<'_>) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// Whether a mail that it asked for under this `guard_subject` is still wanted. It takes a connection itself, because it must
    /// hold none while it asks another service. A service that sends no such mail keeps this default: it knows no subject.
    fn still_wanted(&self, _subject: &str) -> impl Future<Output = Result<Wanted, GuardError>> + Send {
        std::future::ready(Err(GuardError::UnknownSubject))
    }
    /// Its lines of a report for operators: one fact a line, without personal data. The chassis adds the work that needs a person.
    fn digest(
        &self,
        _conn: &mut PgConnection,
        _period: &Period,
    ) -> impl Future<Output = Result<Vec<String>, DbError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// The keyed hash under which its tables name an address. `None` if they have no such hash.
    fn address_hash(&self, _address: &Email) -> Option<Vec<u8>> {
        None
    }
    /// The storage of the files that its tables name. `None` if it has none.
    fn files(&self) -> Option<&Storage> {
        None
    }
    /// The ledger of erasures, if it keeps it. The others compare themselves with it when they start.
    fn ledger(&self) -> Option<&Ledger> {
        None
    }
    /// The erasures that it carries out in all services, if it keeps the ledger. The comparison at start leaves incomplete ones to it.
    fn erasures(&self, _conn: &mut PgConnection) -> impl Future<Output = Result<Erasures, DbError>> + Send {
        std::future::ready(Ok(Erasures::default()))
    }
    /// The reasons why an erasure of this subject has to wait now, such as work that is not finished.
    fn obstacles(
        &self,
        _conn: &mut PgConnection,
        _subject: &Subject,
    ) -> impl Future<Output = Result<Vec<Obstacle>, DbError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// Does what follows from a complete erasure, such as the removal of files, in the transaction that completes it.
    fn erased(
        &self,
        _tx: &mut Tx,
        _erasure_id: Uuid,
        _subject: &Subject,
    ) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// Does what follows at once from an objection of a person, or from its end, in the transaction that stores it.
    fn objected(
        &self,
        _tx: &mut Tx,
        _change: &ObjectionChange,
    ) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// Does what follows at once from a hold on a person's rows, or from its end, in the transaction that stores it.
    fn held(&self, _tx: &mut Tx, _change: &HoldChange) -> impl Future<Output = Result<(), DbError>> + Send {
        std::future::ready(Ok(()))
    }
    /// The holds that have ended among these, if it keeps the holds of the mesh. Another service that was restored may still have them.
    fn ended_holds(
        &self,
        _conn: &mut PgConnection,
        _ids: &[Uuid],
    ) -> impl Future<Output = Result<Vec<HoldChange>, DbError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// The backlog of its journal of webhooks. `None` if it has no journal.
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

    /// Adds a task that every replica runs now, and again after the pause that it returns, for example a measurement.
    pub fn again<F: Future<Output = Duration> + Send>(
        &mut self,
        mut work: impl FnMut() -> F + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.loops.push(Box::pin(async move {
            while !stop.is_cancelled() {
                let once = async { tokio::time::sleep(work().await).await };
                stop.run_until_cancelled(once).await;
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
    async fn a_loop_ends_at_the_drain_however_long_it_would_wait() {
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
