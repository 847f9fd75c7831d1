//! Admission of requests: each takes a permit once its body is there, and its body takes room.

use std::sync::{Arc, OnceLock};

use http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{body::Bodies, peer::CallerAddress, problem::Problem};

/// What all requests share.
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    bodies: Bodies,
}

impl Gate {
    #[must_use]
    pub(crate) fn new(permits: usize, bodies: Bodies) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), bodies }
    }

    /// The permits, to be shown.
    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    /// The way in for a request of this caller.
    pub(crate) fn entrance(self: &Arc<Self>, caller: CallerAddress) -> Entrance {
        Entrance(Arc::new(Inner { gate: Arc::clone(self), caller, permit: OnceLock::new() }))
    }
}

/// The way in for one request. In its extensions; cheap to clone.
#[derive(Clone)]
pub(crate) struct Entrance(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    caller: CallerAddress,
    permit: OnceLock<Place>,
}

/// A permit to be worked on; a stream keeps it until its end.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Entrance {
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
        &self.0.gate.bodies
    }

    /// The permit of this request. Refuses what would only queue.
    pub(crate) fn enter(&self) -> Result<Place, Problem> {
        if let Some(place) = self.0.permit.get() {
            return Ok(place.clone());
        }
        let Ok(permit) = Arc::clone(&self.0.gate.permits).try_acquire_owned() else {
            return Err(Problem::busy());
        };
        Ok(self.0.permit.get_or_init(|| Place { _permit: Arc::new(permit) }).clone())
    }
}
