//! Refuses calls beyond what the service can work on at once.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::{
    error::{ErrorCode, ServiceError, to_status},
    metrics::Metrics,
    summed,
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

pub(super) struct Shed {
    service: &'static str,
    permits: Arc<Semaphore>,
}

impl Shed {
    pub(super) fn new(service: &'static str, calls: usize) -> Self {
        Self { service, permits: Arc::new(Semaphore::new(calls)) }
    }

    /// Takes a permit. Refuses the call if none is free.
    pub(super) fn take(&self) -> Result<Permit, Status> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            summed::shed(self.service);
            return Err(to_status("mesh", &Busy));
        };
        Ok(Permit { _permit: Arc::new(permit) })
    }

    /// Shows how many permits are taken.
    pub(super) fn show(&self, metrics: &Metrics) {
        metrics.show_permits(&self.permits);
    }
}

/// The permit of a call. Work that continues after its caller has gone keeps it.
#[derive(Clone)]
pub(crate) struct Permit {
    _permit: Arc<OwnedSemaphorePermit>,
}
