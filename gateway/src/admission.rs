//! Admission of requests. A request takes a permit after its body is read, and its body takes a part of the body memory.

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

/// One address may hold the number of permits divided by this, but at least one.
const SHARE: usize = 2;

/// The permits and the body memory that all requests share.
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

    /// The permits, for the metrics.
    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    /// The admission of one request of this caller.
    pub(crate) fn request(self: &Arc<Self>, caller: CallerAddress) -> RequestAdmission {
        RequestAdmission(Arc::new(Inner { all: Arc::clone(self), caller, permit: OnceLock::new() }))
    }
}

/// A request's access to permits and body memory. It is in the request's extensions, and cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestAdmission(Arc<Inner>);

struct Inner {
    all: Arc<Admission>,
    caller: CallerAddress,
    permit: OnceLock<Permit>,
}

/// The permit of a request. It is held until the response is written to the connection.
#[derive(Clone)]
pub(crate) struct Permit {
    _permit: Arc<(OwnedSemaphorePermit, Share)>,
}

impl RequestAdmission {
    /// The admission in the extensions of a request.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Problem> {
        extensions.get().ok_or_else(Problem::internal)
    }

    /// The address of the caller.
    pub(crate) fn caller(&self) -> CallerAddress {
        self.0.caller
    }

    /// The memory for bodies.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.0.all.bodies
    }

    /// Takes the permit of this request, or returns the one that it has. Refuses the request if it would have to wait.
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

    /// Makes the response hold the permit until the connection has written it.
    pub(crate) fn hold_permit(&self, answer: &mut Response) {
        if let Some(permit) = self.0.permit.get() {
            answer.extensions_mut().insert(Held::new(permit.clone()));
        }
    }
}
