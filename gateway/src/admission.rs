//! Admission of requests: each takes a permit once its body is there, and its body takes room.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::Extensions;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    body::Bodies,
    peer::CallerAddress,
    problem::Problem,
    shares::{Share, Shares},
};

/// One address has this part of the permits at most, though always one.
const SHARE: usize = 2;

/// What all requests share.
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    shares: Arc<Shares>,
    bodies: Bodies,
}

impl Gate {
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

    /// The access of a request of this caller.
    pub(crate) fn entrance(self: &Arc<Self>, caller: CallerAddress) -> Entrance {
        Entrance(Arc::new(Inner { gate: Arc::clone(self), caller, permit: OnceLock::new() }))
    }
}

/// A request's access to permits and body room. In its extensions; cheap to clone.
#[derive(Clone)]
pub(crate) struct Entrance(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    caller: CallerAddress,
    permit: OnceLock<Place>,
}

/// The permit of a request. It is held until the answer is written to the connection.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<(OwnedSemaphorePermit, Share)>,
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
        let mut share = self.0.gate.shares.of(self.caller());
        if !share.take(1) {
            return Err(Problem::busy());
        }
        let Ok(permit) = Arc::clone(&self.0.gate.permits).try_acquire_owned() else {
            return Err(Problem::busy());
        };
        Ok(self.0.permit.get_or_init(|| Place { _permit: Arc::new((permit, share)) }).clone())
    }

    /// The body of this request's answer, which holds the permit until the connection has written it.
    pub(crate) fn hold(&self, body: Body) -> Body {
        match self.0.permit.get() {
            Some(place) if !body.is_end_stream() => Body::new(Held { body, place: place.clone() }),
            _ => body,
        }
    }
}

/// A body that holds a permit. So does each part of it: HTTP/2 takes a part whole, and keeps it until its client reads.
struct Held {
    body: Body,
    place: Place,
}

/// A part of such a body.
struct Part {
    bytes: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let part = |bytes| Bytes::from_owner(Part { bytes, _place: this.place.clone() });
        Pin::new(&mut this.body).poll_frame(context).map_ok(|frame| frame.map_data(part))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
