//! The requests of one connection that are not answered to their end, and what its client keeps us waiting for.

use std::{
    any::Any,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

use super::Limits;

/// How often the way out looks.
const LOOK: Duration = Duration::from_millis(20);
/// A connection is not closed to make room before it has been idle, or its head incomplete, for this long.
const YOUNG: Duration = Duration::from_millis(500);

/// What happened on a connection so far.
struct State {
    ever: bool,
    open: usize,
    http2: bool,
    /// Since when the head of the next request has been coming.
    head: Option<Instant>,
    born: Instant,
    /// Since when no request is open.
    idle: Instant,
    /// When the last request began.
    begun: Instant,
    /// Of the answer to the last request; in HTTP/1.1 there is no other.
    answer: Unread,
    /// An answer was given up, and no request has come since.
    gave_up: bool,
}

/// Since when an answer waits for its client to read; `None` while it waits for us. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Instant>>>);

impl Unread {
    pub(super) fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Whether a connection is to be closed.
pub(super) enum Close {
    /// Not yet; to be decided again then.
    NotBefore(Instant),
    /// Gracefully, by HTTP/2's GOAWAY.
    Gracefully,
    /// At once: its client keeps us waiting.
    AtOnce,
}

/// The requests of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Requests(Arc<Mutex<State>>);

impl Requests {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            ever: false,
            open: 0,
            http2: false,
            head: None,
            born: now,
            idle: now,
            begun: now,
            answer: Unread::default(),
            gave_up: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self) -> OpenRequest {
        let answer = Unread::default();
        let mut state = self.state();
        state.ever = true;
        state.open += 1;
        state.head = None;
        state.begun = Instant::now();
        state.answer = answer.clone();
        state.gave_up = false;
        OpenRequest { requests: self.clone(), answer }
    }

    /// An answer is given up, as its client does not read it.
    pub(super) fn give_up(&self) {
        self.state().gave_up = true;
    }

    /// Of the answer to the request that began last.
    pub(super) fn last_answer(&self) -> Unread {
        self.state().answer.clone()
    }

    /// The client has sent something; afterwards it was in the middle of a head, or not.
    pub(super) fn heard(&self, in_head: bool, http2: bool) {
        let mut state = self.state();
        state.http2 |= http2;
        state.head = in_head.then(|| state.head.unwrap_or_else(Instant::now));
    }

    /// Whether the connection is to be closed. Over HTTP/2 an unread answer is given up alone: see `streams`.
    pub(super) fn close(&self, limits: &Limits) -> Close {
        let now = Instant::now();
        let state = self.state();
        // A head, an unread answer, or a time without a request, that begins later is over later.
        let mut look = now + limits.head.min(limits.idle).min(limits.unread);
        let mut is_over = |end: Instant| {
            if end > now {
                look = look.min(end);
            }
            end <= now
        };
        let old = state.born + limits.age;
        let is_old = is_over(old);
        if state.http2 && is_old {
            return Close::Gracefully;
        }
        if state.open == 0 && state.gave_up {
            // Nothing on this connection goes on.
            return Close::Gracefully;
        }
        if state.open == 0 {
            // A client that waits for an answer may send the next head before we read it.
            let late = state.head.is_some_and(|head| is_over(head.max(state.idle) + limits.head));
            if late {
                return Close::AtOnce;
            }
            if state.head.is_none() && is_over(state.idle + limits.idle) {
                return if state.http2 { Close::Gracefully } else { Close::AtOnce };
            }
        } else if !state.http2 {
            let unread = state.answer.since().is_some_and(|since| is_over(since + limits.unread));
            let farewell = limits.farewell.filter(|_| is_old);
            if unread || farewell.is_some_and(|patience| is_over(state.begun.max(old) + patience)) {
                return Close::AtOnce;
            }
        }
        Close::NotBefore(look)
    }

    /// Since when the connection has had no request; `None` while it has one.
    pub(super) fn dispensable(&self) -> Option<Instant> {
        let state = self.state();
        let since = state.head.unwrap_or(state.idle);
        (state.open == 0 && since.elapsed() >= YOUNG).then_some(since)
    }

    /// Waits for the first.
    pub(super) async fn begun(&self) {
        while !self.state().ever {
            sleep(LOOK).await;
        }
    }

    /// Waits until none is open, and none comes for so long.
    pub(super) async fn idle_for(&self, span: Duration) {
        let begun = Instant::now();
        loop {
            let over = {
                let state = self.state();
                state.open == 0 && state.idle.max(begun).elapsed() >= span
            };
            if over {
                return;
            }
            sleep(LOOK).await;
        }
    }
}

/// A request that is not answered to its end.
pub(super) struct OpenRequest {
    requests: Requests,
    answer: Unread,
}

impl OpenRequest {
    /// Whether the answer must tell the client to close the connection, which is older than this. An HTTP/1.1 connection that we
    /// close ourselves, though it is idle, may already carry the next request, and that one would be lost.
    pub(super) fn is_last(&self, age: Duration) -> bool {
        let state = self.requests.state();
        !state.http2 && state.born.elapsed() >= age
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.requests.state();
        state.open = state.open.saturating_sub(1);
        if state.open == 0 {
            state.idle = Instant::now();
        }
    }
}

/// What an answer holds, such as a permit, until the connection has written it: among the answer's extensions.
#[derive(Clone)]
pub struct Held {
    _held: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// Holds this.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

/// A part of a body. HTTP/2 takes a part whole, and keeps it until its client reads.
struct Part {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer; its request is open until the last of it is handed to the connection, or it is given up. What the
/// connection itself holds then, some kilobytes for a client that does not read, is no longer counted.
pub(super) struct ResponseBody {
    body: Body,
    request: OpenRequest,
    held: Option<Held>,
}

impl ResponseBody {
    /// The body of this answer, which answers this request.
    pub(super) fn of(answer: Response, request: OpenRequest) -> http::Response<Self> {
        // It is asked for when the client lets the connection write.
        request.answer.set(Some(Instant::now()));
        let (mut parts, body) = answer.into_parts();
        let held = parts.extensions.remove();
        http::Response::from_parts(parts, Self { body, request, held })
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Pending => this.request.answer.set(None),
            Poll::Ready(Some(Ok(_))) if !this.body.is_end_stream() => {
                this.request.answer.set(Some(Instant::now()));
            }
            Poll::Ready(_) => {}
        }
        let Some(held) = &this.held else { return frame };
        let part = |bytes| Bytes::from_owner(Part { bytes, _held: held.clone() });
        frame.map_ok(|frame| frame.map_data(part))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
