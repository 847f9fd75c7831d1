//! The open requests of one connection, and how long its client has been silent.

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

/// How often the shutdown checks for open requests.
const LOOK: Duration = Duration::from_millis(20);
/// How long a connection must be idle, or its head incomplete, before it may be closed to make room.
const YOUNG: Duration = Duration::from_millis(500);

struct State {
    ever: bool,
    open: usize,
    http2: bool,
    /// When the head of the next request began to arrive.
    head: Option<Instant>,
    born: Instant,
    /// When the last open request ended.
    idle: Instant,
    /// When the last request began.
    begun: Instant,
    /// The answer to the last request. HTTP/1.1 has only one answer at a time.
    answer: Unread,
    /// An answer was abandoned, and no request has come since.
    gave_up: bool,
}

/// Since when an answer waits until its client reads it. `None` while the client waits for us. Cheap to clone.
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

/// Whether to close a connection.
pub(super) enum Close {
    /// Not yet; decide again at this instant.
    NotBefore(Instant),
    /// Gracefully, by HTTP/2's GOAWAY.
    Gracefully,
    /// At once, because the client is too slow.
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

    /// Opens a request. It ends when the returned value is dropped.
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

    /// Notes that an answer was abandoned, because its client does not read it.
    pub(super) fn give_up(&self) {
        self.state().gave_up = true;
    }

    pub(super) fn last_answer(&self) -> Unread {
        self.state().answer.clone()
    }

    /// Notes that the client has sent bytes. `in_head` says whether the head is now incomplete.
    pub(super) fn heard(&self, in_head: bool, http2: bool) {
        let mut state = self.state();
        state.http2 |= http2;
        state.head = in_head.then(|| state.head.unwrap_or_else(Instant::now));
    }

    /// Whether to close the connection. Over HTTP/2 only the stream of an unread answer is reset: see `streams`.
    pub(super) fn close(&self, limits: &Limits) -> Close {
        let now = Instant::now();
        let state = self.state();
        // A limit that starts later also ends later, so this is the earliest next check.
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
            // No request can complete on this connection.
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
            if unread || farewell.is_some_and(|farewell| is_over(state.begun.max(old) + farewell)) {
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

    pub(super) async fn begun(&self) {
        while !self.state().ever {
            sleep(LOOK).await;
        }
    }

    /// Waits until no request has been open for this time.
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

pub(super) struct OpenRequest {
    requests: Requests,
    answer: Unread,
}

impl OpenRequest {
    /// Whether the answer must ask the client to close the connection, because it is older than `age`. If we closed it, a request could be
    /// lost.
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

/// A value, such as a permit, that an answer holds until the connection has written it. It is an extension of the answer.
#[derive(Clone)]
pub struct Held {
    _held: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// Holds this value.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

/// A part of a body. HTTP/2 takes it whole, and keeps it until its client reads.
struct Part {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer. Its request stays open until the last part is handed to the connection, or the answer is abandoned.
/// Data that the connection itself buffers after that, some kilobytes for a client that does not read, is not counted.
pub(super) struct ResponseBody {
    body: Body,
    request: OpenRequest,
    held: Option<Held>,
}

impl ResponseBody {
    pub(super) fn of(answer: Response, request: OpenRequest) -> http::Response<Self> {
        // The body is polled when the client lets the connection write.
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
