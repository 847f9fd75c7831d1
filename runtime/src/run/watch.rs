//! Watches the database, and starts the service's work once the tables exist.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::probe::Probe;
use crate::{
    chassis::Chassis,
    db::{DatabaseUrl, migrations::Schema},
    deferred::{Delivery, OnGivenUp},
    health::Healths,
    lifecycle::{Measurement, Readiness},
    measure::Measurer,
    schedule::{self, Schedule},
    service::{Service, Workers},
    tasks::Tasks,
};

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
    /// Watches until the work must stop.
    pub(super) async fn run(self) {
        const EVERY: Duration = Duration::from_secs(1);
        let mut working = false;
        let mut said = None;
        let mut probe = Probe::new(self.url.clone());
        while !self.work.is_cancelled() {
            let (time, begun) = (self.chassis.clock.now(), Instant::now());
            self.readiness.set_asked();
            let (history, writes) = probe.ask::<S>().await;
            let measurement = Measurement { history, writes, time, took: begun.elapsed() };
            self.readiness.set_measured(measurement);
            let (schema, ready) = (measurement.schema(), measurement.is_sound());
            if said != Some((schema, writes)) {
                match schema {
                    Some(Schema::Current | Schema::Ahead(_)) if !ready => {
                        let reason = writes.as_str();
                        tracing::warn!(service = S::NAME, reason, "the database does not take writes");
                    }
                    Some(Schema::Behind(count)) => {
                        tracing::warn!(service = S::NAME, count, "migrations are to run: `levqor migrate`");
                    }
                    Some(Schema::Changed(count)) => {
                        tracing::warn!(
                            service = S::NAME,
                            count,
                            "migrations were run in another form than this build's"
                        );
                    }
                    Some(Schema::Current | Schema::Ahead(_)) => tracing::info!(service = S::NAME, "ready"),
                    None => tracing::warn!(service = S::NAME, "the database does not answer"),
                }
                said = Some((schema, writes));
            }
            self.health.report(ready && !self.readiness.is_draining()).await;
            if ready && !working {
                working = true;
                self.begin();
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.work.cancelled() => {}
            }
        }
    }

    /// Starts the work.
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
