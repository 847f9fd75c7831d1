//! Admission of requests: each takes a permit once its body is there, and its body takes room.

use std::sync::{Arc, OnceLock};

use axum::response::Response;
use http::Extensions;
use levqor_runtime::port::Held;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    body::Bodies,
    peer::CallerAddress,
    problem::Problem,
    shares::{Share, Shares},
};

/// One address has this part of the permits at most, though always one.
const SHARE: usize = 2;

/// The permits and the room for bodies that all requests share.
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    shares: Arc<Shares>,
    bodies: Bodies,
}

impl Admission {
    #[must_use]
    pub(crate) fn new(permits: usize, bodies: Bodies) -> Self {
        let permits = permits.min(Semaphore::MAX_PERMITS);
        let shares = Shares::new(permits, (permits / SHARE).max(1));
        Self { permits: Arc::new(Semaphore::new(permits)), shares, bodies }
    }

    /// The permits, to be shown.
    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    /// The admission of a request of this caller.
    pub(crate) fn request(self: &Arc<Self>, caller: CallerAddress) -> RequestAdmission {
        RequestAdmission(Arc::new(Inner { all: Arc::clone(self), caller, permit: OnceLock::new() }))
    }
}

/// A request's access to permits and body room. In its extensions; cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestAdmission(Arc<Inner>);

struct Inner {
    all: Arc<Admission>,
    caller: CallerAddress,
    permit: OnceLock<Permit>,
}

/// The permit of a request. It is held until the answer is written to the connection.
#[derive(Clone)]
pub(crate) struct Permit {
    _permit: Arc<(OwnedSemaphorePermit, Share)>,
}

impl RequestAdmission {
    /// That of the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Problem> {
        extensions.get().ok_or_else(Problem::internal)
    }

    /// The address of the caller.
    pub(crate) fn caller(&self) -> CallerAddress {
        self.0.caller
    }

    /// The room for bodies.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.0.all.bodies
    }

    /// The permit of this request. Refuses what would only queue.
    pub(crate) fn permit(&self) -> Result<Permit, Problem> {
        if let Some(permit) = self.0.permit.get() {
            return Ok(permit.clone());
        }
        let mut share = self.0.all.shares.of(self.caller());
        if !share.take(1) {
            return Err(Problem::busy());
        }
        let Ok(permit) = Arc::clone(&self.0.all.permits).try_acquire_owned() else {
            return Err(Problem::busy());
        };
        Ok(self.0.permit.get_or_init(|| Permit { _permit: Arc::new((permit, share)) }).clone())
    }

    /// Has the answer to this request hold the permit until the connection has written it.
    pub(crate) fn hold_permit(&self, answer: &mut Response) {
        if let Some(permit) = self.0.permit.get() {
            answer.extensions_mut().insert(Held::new(permit.clone()));
        }
    }
}
