//! Where a service stands between its start and its end, and what it last measured of its database.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::db::migrations::Schema;

/// What was found when the database was last asked.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// How its tables stand to the binary; none where it did not answer.
    pub schema: Option<Schema>,
    /// When it was asked, by the process' clock.
    pub time: DateTime<Utc>,
    /// How long the answer took.
    pub took: Duration,
}

/// Whether the service can work: its tables are there, and it is not on its way out.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    measured: Arc<Mutex<Option<Measurement>>>,
    behind: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// False while migrations are known to be missing.
    #[must_use]
    pub fn has_schema(&self) -> bool {
        !self.behind.load(Ordering::Acquire)
    }

    /// The last measurement; none before the first.
    #[must_use]
    pub fn measured(&self) -> Option<Measurement> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a measurement.
    pub fn set_measured(&self, measurement: Measurement) {
        if let Some(schema) = measurement.schema {
            self.behind.store(matches!(schema, Schema::Behind(_)), Ordering::Release);
        }
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(measurement);
    }

    /// True from the moment that the drain begins.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Begins the drain.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
