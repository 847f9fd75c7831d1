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
/// How long a new connection, and a head that is coming, are left alone where another connection needs the place.
const YOUNG: Duration = Duration::from_millis(500);
/// The limit of an unread answer is this many turns. An answer is given up two to three turns after it began to wait.
const UNREAD_TURNS: u32 = 2;

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
    /// Answers that wait for their client to read, by the turn in which they began to: this one, and the two before it.
    unread: [usize; 3],
    turn: usize,
    turned: Instant,
}

/// What is to become of a connection.
pub(super) enum Fate {
    /// It stays; its fate is to be looked at again then.
    Stays(Instant),
    /// It has no request, and nothing is lost with it.
    Goodbye,
    /// Its client keeps us waiting.
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
            unread: [0; 3],
            turn: 0,
            turned: now,
        })))
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self) -> Open {
        let mut asked = self.asked();
        asked.ever = true;
        asked.open += 1;
        asked.head = None;
        Open { requests: self.clone(), unread: None }
    }

    /// The client has sent something; afterwards it was in the middle of a head, or not.
    pub(super) fn heard(&self, in_head: bool, http2: bool) {
        let mut asked = self.asked();
        asked.http2 |= http2;
        asked.head = in_head.then(|| asked.head.unwrap_or_else(Instant::now));
    }

    /// What is to become of the connection.
    pub(super) fn fate(&self, limits: &Limits) -> Fate {
        let now = Instant::now();
        let mut asked = self.asked();
        let turn = limits.unread / UNREAD_TURNS;
        if now >= asked.turned + turn {
            // The oldest turn is the one that comes round again.
            let next = (asked.turn + 1) % asked.unread.len();
            if asked.unread[next] > 0 {
                return Fate::Ends;
            }
            (asked.turn, asked.turned) = (next, now);
        }
        let mut look = (asked.turned + turn).min(asked.born + limits.age);
        if asked.born + limits.age <= now {
            return Fate::Goodbye;
        }
        if asked.open == 0 {
            // A client that waits for an answer may send the next head before we read it.
            let late = asked.head.map(|head| head.max(asked.idle) + limits.head);
            let idle = asked.idle + limits.idle;
            if late.is_some_and(|late| late <= now) {
                return Fate::Ends;
            }
            if idle <= now && asked.head.is_none() {
                return if asked.http2 { Fate::Goodbye } else { Fate::Ends };
            }
            look = look.min(late.unwrap_or(idle));
        }
        // A head, or a time without a request, that begins later is over later.
        Fate::Stays(look.min(now + limits.head.min(limits.idle)))
    }

    /// Since when nothing would be lost with the connection; none where something would.
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
    /// The turn in which its answer began to wait for the client.
    unread: Option<usize>,
}

impl Open {
    /// The answer waits for its client to read, or for us.
    fn waits_for_client(&mut self, waits: bool) {
        if waits == self.unread.is_some() {
            return;
        }
        let mut asked = self.requests.asked();
        if let Some(turn) = self.unread.take() {
            asked.unread[turn] = asked.unread[turn].saturating_sub(1);
        } else {
            let turn = asked.turn;
            asked.unread[turn] += 1;
            self.unread = Some(turn);
        }
    }

    /// The client has read something, and is to read more.
    fn read_on(&mut self) {
        let mut asked = self.requests.asked();
        let turn = asked.turn;
        if self.unread == Some(turn) {
            return;
        }
        if let Some(before) = self.unread.replace(turn) {
            asked.unread[before] = asked.unread[before].saturating_sub(1);
        }
        asked.unread[turn] += 1;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut asked = self.requests.asked();
        if let Some(turn) = self.unread {
            asked.unread[turn] = asked.unread[turn].saturating_sub(1);
        }
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
    pub(super) fn new(body: Body, mut open: Open) -> Self {
        // It is asked for when the client lets the connection write.
        open.waits_for_client(true);
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
            Poll::Pending => this.open.waits_for_client(false),
            Poll::Ready(Some(Ok(_))) if !this.body.is_end_stream() => this.open.read_on(),
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
