//! Watches the database, and starts the service's work once the tables exist.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{compare::compare, probe::Probe};
use crate::{
    chassis::Chassis,
    db::{DatabaseUrl, migrations::Schema},
    deferred::{Delivery, OnGivenUp},
    health::Healths,
    lifecycle::{Measurement, Readiness},
    measure::Measurer,
    privacy::Subject,
    schedule::{self, Schedule},
    service::{Service, Workers},
    tasks::Tasks,
};

/// How long the comparison with the ledger of erasures is tried, whether its failure was logged, and who was found.
struct Comparing {
    begun: Instant,
    told: bool,
    found: BTreeMap<Uuid, Subject>,
}

/// Watches whether the tables exist, and starts the work when they do.
pub(super) struct Watch<S> {
    pub(super) service: Arc<S>,
    pub(super) chassis: Chassis,
    pub(super) url: DatabaseUrl,
    pub(super) readiness: Readiness,
    pub(super) health: Healths,
    pub(super) schedules: Vec<Schedule>,
    pub(super) work: CancellationToken,
    pub(super) work_tasks: Tasks,
}

impl<S: Service> Watch<S> {
    pub(super) async fn run(self) {
        const EVERY: Duration = Duration::from_secs(1);
        // Compliance may start at the same time.
        const SOON: Duration = Duration::from_millis(100);
        let mut working = false;
        let mut said = None;
        let mut probe = Probe::new(self.url.clone());
        let mut comparing = Comparing { begun: Instant::now(), told: false, found: BTreeMap::new() };
        while !self.work.is_cancelled() {
            let (time, begun) = (self.chassis.clock.now(), Instant::now());
            self.readiness.set_asked();
            let (history, writes) = probe.ask::<S>().await;
            let measurement = Measurement { history, writes, time, took: begun.elapsed() };
            if measurement.is_sound() && !self.readiness.is_compared() {
                self.compare(&mut comparing).await;
            }
            self.readiness.set_measured(measurement);
            let (schema, ready) =
                (measurement.schema(), measurement.is_sound() && self.readiness.is_compared());
            if said != Some((schema, writes, ready)) {
                let service = S::NAME;
                match schema {
                    Some(Schema::Current | Schema::Ahead(_)) if !measurement.is_sound() => {
                        let reason = writes.as_str();
                        tracing::warn!(service, reason, "the database does not accept writes");
                    }
                    Some(Schema::Behind(count)) => {
                        tracing::warn!(service, count, "migrations are pending: run `levqor migrate`");
                    }
                    Some(Schema::Changed(count)) => {
                        tracing::warn!(
                            service,
                            count,
                            "migrations were run in another form than this build's"
                        );
                    }
                    Some(Schema::Current | Schema::Ahead(_)) if ready => tracing::info!(service, "ready"),
                    Some(Schema::Current | Schema::Ahead(_)) => {}
                    None => tracing::warn!(service, "the database does not answer"),
                }
                said = Some((schema, writes, ready));
            }
            self.health.report(ready && !self.readiness.is_draining()).await;
            if ready && !working {
                working = true;
                self.begin();
            }
            // A failure that lasts is not tried again so soon.
            let is_soon = !self.readiness.is_compared() && !comparing.told;
            let pause = if is_soon { SOON } else { EVERY };
            self.work.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Compares the database with the ledger of erasures. A failure is logged once, if it lasts.
    async fn compare(&self, comparing: &mut Comparing) {
        // Compliance may start at the same time.
        const TIMEOUT: Duration = Duration::from_secs(5);
        match compare(&self.service, &self.chassis, &mut comparing.found).await {
            Ok(0) => self.readiness.set_compared(),
            Ok(count) => {
                let service = S::NAME;
                tracing::warn!(service, count, "erasures that a restore had undone were made again");
                self.readiness.set_compared();
            }
            Err(error) if !comparing.told && comparing.begun.elapsed() >= TIMEOUT => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(service = S::NAME, error, "the ledger of erasures cannot be compared yet");
                comparing.told = true;
            }
            Err(_) => {}
        }
        if self.readiness.is_compared() {
            comparing.found.clear();
        }
    }

    fn begin(&self) {
        let mut workers = Workers::new(self.work_tasks.clone(), self.work.clone());
        let service = Arc::clone(&self.service);
        let on_given_up: OnGivenUp = Box::new(move |tx, call| {
            let service = Arc::clone(&service);
            Box::pin(async move { service.gave_up(tx, call).await })
        });
        workers.add(Delivery::new(self.chassis.clone(), on_given_up));
        self.service.workers(&mut workers);
        for work in workers.into_loops() {
            self.work_tasks.spawn(work);
        }
        let (service, chassis) = (Arc::clone(&self.service), self.chassis.clone());
        let measurer = Measurer::new(service, chassis, self.url.clone(), self.schedules.clone());
        self.work_tasks.spawn(measurer.run(self.work.clone()));
        self.work_tasks.spawn(schedule::run(
            self.chassis.db.clone(),
            self.schedules.clone(),
            self.work.clone(),
        ));
        self.readiness.set_working();
    }
}
