//! The readiness of a service, and its last measurement of its database.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use crate::db::{
    migrations::{History, Schema},
    writes::Writes,
};

/// The result of the last probe of the database.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// The state of its tables. `None` if it did not answer.
    pub history: Option<History>,
    /// Whether it takes writes, by the last write probe.
    pub writes: Writes,
    /// When it was probed, by the process' clock.
    pub time: DateTime<Utc>,
    /// How long the probe took.
    pub took: Duration,
}

impl Measurement {
    /// The state in a word.
    #[must_use]
    pub fn schema(&self) -> Option<Schema> {
        self.history.map(History::schema)
    }

    /// Whether the service can work with this result.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self.schema(), Some(Schema::Current | Schema::Ahead(_))) && self.writes.are_taken()
    }
}

/// The results of the probes of the database.
#[derive(Debug, Default)]
struct Probes {
    measured: Option<Measurement>,
    /// When the current probe began.
    asked: Option<Instant>,
    /// Whether the service was ready, and since when.
    standing: Option<(bool, DateTime<Utc>)>,
}

/// The readiness of the service: its tables exist, they have no rows of erased people, and it is not draining.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    probes: Arc<Mutex<Probes>>,
    working_since: Arc<OnceLock<Instant>>,
    behind: Arc<AtomicBool>,
    uncompared: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    fn probes(&self) -> MutexGuard<'_, Probes> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False while migrations are known to be pending or changed.
    #[must_use]
    pub fn has_schema(&self) -> bool {
        !self.behind.load(Ordering::Acquire)
    }

    /// Notes that the database has to be compared with the ledger of erasures before anybody is served.
    pub(crate) fn set_uncompared(&self) {
        self.uncompared.store(true, Ordering::Release);
    }

    /// Notes that the database has no rows of erased people.
    pub(crate) fn set_compared(&self) {
        self.uncompared.store(false, Ordering::Release);
    }

    /// False until the database was compared with the ledger of erasures, if it has to be.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        !self.uncompared.load(Ordering::Acquire)
    }

    /// Whether the service can work, by the last measurement.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_compared() && self.measured().is_some_and(|measured| measured.is_sound())
    }

    /// The last measurement; none before the first.
    #[must_use]
    pub fn measured(&self) -> Option<Measurement> {
        self.probes().measured
    }

    /// Notes that a probe of the database starts now.
    pub fn set_asked(&self) {
        self.probes().asked = Some(Instant::now());
    }

    /// How long the current probe has waited for an answer; none without a running probe.
    #[must_use]
    pub fn asked_for(&self) -> Option<Duration> {
        self.probes().asked.map(|asked| asked.elapsed())
    }

    /// Notes a measurement.
    pub fn set_measured(&self, measurement: Measurement) {
        if let Some(schema) = measurement.schema() {
            self.behind.store(matches!(schema, Schema::Behind(_) | Schema::Changed(_)), Ordering::Release);
        }
        let ready = measurement.is_sound() && self.is_compared() && !self.is_draining();
        let mut probes = self.probes();
        if probes.standing.is_none_or(|(before, _)| before != ready) {
            probes.standing = Some((ready, measurement.time));
        }
        (probes.asked, probes.measured) = (None, Some(measurement));
    }

    /// Since when it has been ready or not ready, by the measurements; none before the first measurement.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.probes().standing.map(|(_, since)| since)
    }

    /// Notes that the workers and schedules run from now on.
    pub(crate) fn set_working(&self) {
        self.working_since.get_or_init(Instant::now);
    }

    /// How long the workers and schedules have run here; none before they start.
    pub(crate) fn working_for(&self) -> Option<Duration> {
        self.working_since.get().map(Instant::elapsed)
    }

    /// True once the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Begins the drain.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
