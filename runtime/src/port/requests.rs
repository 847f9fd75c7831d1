//! The requests of one connection that are not answered to their end, and what its client keeps us waiting for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

use super::Limits;

/// How often the way out looks.
const LOOK: Duration = Duration::from_millis(20);
/// A connection is not closed to make room before it has been idle, or its head incomplete, for this long.
const YOUNG: Duration = Duration::from_millis(500);

/// What a connection was asked, and how it goes on.
struct Asked {
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

/// What is to become of a connection.
pub(super) enum Fate {
    /// It stays; its fate is to be looked at again then.
    Stays(Instant),
    /// It is closed gracefully, by HTTP/2's GOAWAY.
    Goodbye,
    /// It is closed at once: its client keeps us waiting.
    Ends,
}

/// The requests of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Requests(Arc<Mutex<Asked>>);

impl Requests {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Asked {
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

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self) -> Open {
        let answer = Unread::default();
        let mut asked = self.asked();
        asked.ever = true;
        asked.open += 1;
        asked.head = None;
        asked.begun = Instant::now();
        asked.answer = answer.clone();
        asked.gave_up = false;
        Open { requests: self.clone(), answer }
    }

    /// An answer is given up, as its client does not read it.
    pub(super) fn give_up(&self) {
        self.asked().gave_up = true;
    }

    /// Of the answer to the request that began last.
    pub(super) fn last_answer(&self) -> Unread {
        self.asked().answer.clone()
    }

    /// The client has sent something; afterwards it was in the middle of a head, or not.
    pub(super) fn heard(&self, in_head: bool, http2: bool) {
        let mut asked = self.asked();
        asked.http2 |= http2;
        asked.head = in_head.then(|| asked.head.unwrap_or_else(Instant::now));
    }

    /// What is to become of the connection. Over HTTP/2 an unread answer is given up alone: see `streams`.
    pub(super) fn fate(&self, limits: &Limits) -> Fate {
        let now = Instant::now();
        let asked = self.asked();
        // A head, an unread answer, or a time without a request, that begins later is over later.
        let mut look = now + limits.head.min(limits.idle).min(limits.unread);
        let mut is_over = |end: Instant| {
            if end > now {
                look = look.min(end);
            }
            end <= now
        };
        let old = asked.born + limits.age;
        let is_old = is_over(old);
        if asked.http2 && is_old {
            return Fate::Goodbye;
        }
        if asked.open == 0 && asked.gave_up {
            // Nothing on this connection goes on.
            return Fate::Goodbye;
        }
        if asked.open == 0 {
            // A client that waits for an answer may send the next head before we read it.
            let late = asked.head.is_some_and(|head| is_over(head.max(asked.idle) + limits.head));
            if late {
                return Fate::Ends;
            }
            if asked.head.is_none() && is_over(asked.idle + limits.idle) {
                return if asked.http2 { Fate::Goodbye } else { Fate::Ends };
            }
        } else if !asked.http2 {
            let unread = asked.answer.since().is_some_and(|since| is_over(since + limits.unread));
            let farewell = limits.farewell.filter(|_| is_old);
            if unread || farewell.is_some_and(|patience| is_over(asked.begun.max(old) + patience)) {
                return Fate::Ends;
            }
        }
        Fate::Stays(look)
    }

    /// Since when the connection has had no request; `None` while it has one.
    pub(super) fn dispensable(&self) -> Option<Instant> {
        let asked = self.asked();
        let since = asked.head.unwrap_or(asked.idle);
        (asked.open == 0 && since.elapsed() >= YOUNG).then_some(since)
    }

    /// Waits for the first.
    pub(super) async fn begun(&self) {
        while !self.asked().ever {
            sleep(LOOK).await;
        }
    }

    /// Waits until none is open, and none comes for so long.
    pub(super) async fn idle_for(&self, span: Duration) {
        let begun = Instant::now();
        loop {
            let over = {
                let asked = self.asked();
                asked.open == 0 && asked.idle.max(begun).elapsed() >= span
            };
            if over {
                return;
            }
            sleep(LOOK).await;
        }
    }
}

/// One that is open.
pub(super) struct Open {
    requests: Requests,
    answer: Unread,
}

impl Open {
    /// Whether the answer must tell the client to close the connection, which is older than this. An HTTP/1.1 connection that we
    /// close ourselves, though it is idle, may already carry the next request, and that one would be lost.
    pub(super) fn is_last(&self, age: Duration) -> bool {
        let asked = self.requests.asked();
        !asked.http2 && asked.born.elapsed() >= age
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut asked = self.requests.asked();
        asked.open = asked.open.saturating_sub(1);
        if asked.open == 0 {
            asked.idle = Instant::now();
        }
    }
}

/// The body of an answer; its request is open until the last of it is handed to the connection, or it is given up. What the
/// connection itself holds then, some kilobytes for a client that does not read, is no longer counted.
pub(super) struct Answer {
    body: Body,
    open: Open,
}

impl Answer {
    pub(super) fn new(body: Body, open: Open) -> Self {
        // It is asked for when the client lets the connection write.
        open.answer.set(Some(Instant::now()));
        Self { body, open }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Pending => this.open.answer.set(None),
            Poll::Ready(Some(Ok(_))) if !this.body.is_end_stream() => {
                this.open.answer.set(Some(Instant::now()));
            }
            Poll::Ready(_) => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
