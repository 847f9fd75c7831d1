//! Refuses calls beyond what the service can work on at once.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::trace::status_answer;
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

#[derive(Clone)]
pub(super) struct Shed(Arc<Semaphore>);

impl Shed {
    pub(super) fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls)))
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

pub(super) async fn shed(State(shed): State<Shed>, mut request: Request, next: Next) -> Response {
    let Ok(permit) = shed.0.try_acquire_owned() else {
        tracing::warn!(reason = Busy.reason(), "the call was shed");
        return status_answer(&to_status("mesh", &Busy));
    };
    request.extensions_mut().insert(Place { _permit: Arc::new(permit) });
    next.run(request).await
}
