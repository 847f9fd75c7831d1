//! Refuses calls beyond what the service can work on at once.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::sync::Semaphore;

use super::trace::status_answer;
use crate::error::{ErrorCode, ServiceError, to_status};

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
}

pub(super) async fn shed(State(shed): State<Shed>, request: Request, next: Next) -> Response {
    let Ok(_permit) = shed.0.try_acquire() else {
        tracing::warn!(reason = Busy.reason(), "the call was shed");
        return status_answer(&to_status("mesh", &Busy));
    };
    next.run(request).await
}
