//! Refuses calls beyond what the service can work on at once.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::{
    error::{ErrorCode, ServiceError, to_status},
    metrics::Metrics,
};

#[derive(Debug, thiserror::Error)]
#[error("the service is busy; try again in a moment")]
struct Busy;

impl ServiceError for Busy {
    fn code(&self) -> ErrorCode {
        ErrorCode::Unavailable
    }
    fn reason(&self) -> &'static str {
        "BUSY"
    }
    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

pub(super) struct Shed(Arc<Semaphore>);

impl Shed {
    pub(super) fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls)))
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Place { _permit: Arc::new(permit) })
    }

    /// Shows how many places are taken.
    pub(super) fn show(&self, metrics: &Metrics) {
        metrics.places(&self.0);
    }
}

/// A place among the calls that are worked on. Whoever works on, though the caller be gone, keeps it.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The answer to a call that found no place.
pub(super) fn refusal() -> Status {
    tracing::warn!(reason = Busy.reason(), "the call was shed");
    to_status("mesh", &Busy)
}
