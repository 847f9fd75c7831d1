//! Where a service stands between its start and its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the service can work: its tables are there, and it is not on its way out.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    behind: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// False while migrations are known to be missing.
    #[must_use]
    pub fn has_schema(&self) -> bool {
        !self.behind.load(Ordering::Acquire)
    }

    /// Notes whether migrations are missing.
    pub fn set_behind(&self, behind: bool) {
        self.behind.store(behind, Ordering::Release);
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
