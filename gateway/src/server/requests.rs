//! The requests of one connection that are not answered to their end.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

/// What a connection was asked.
#[derive(Default)]
struct Asked {
    ever: bool,
    open: usize,
    /// Since when the head of the next has been coming.
    head: Option<Instant>,
    /// In HTTP/2 much else is said than requests, and hyper asks the silent itself whether they are there.
    in_frames: bool,
}

/// Counts them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Requests(watch::Sender<Asked>);

impl Requests {
    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self, version: Version) -> Open {
        self.0.send_modify(|asked| {
            asked.ever = true;
            asked.open += 1;
            asked.head = None;
            asked.in_frames = version == Version::HTTP_2;
        });
        Open(self.clone())
    }

    /// Hears what the client sends: where no request is open, it is the head of the next.
    pub(super) fn hear(&self, bytes: &[u8]) {
        // Nobody is woken: who waits for a head that is late looks when it may be.
        self.0.send_if_modified(|asked| {
            if asked.open == 0 && !asked.in_frames && !bytes.is_empty() {
                asked.head.get_or_insert_with(Instant::now);
            }
            false
        });
    }

    /// Waits for a head that has been coming for so long.
    pub(super) async fn late_head(&self, span: Duration) {
        loop {
            let head = self.0.borrow().head;
            // One that begins later is late later.
            let late = head.unwrap_or_else(Instant::now) + span;
            if head.is_some() && late <= Instant::now() {
                return;
            }
            sleep_until(late).await;
        }
    }

    /// Waits for the first.
    pub(super) async fn begun(&self) {
        // It cannot fail: the sender is here.
        let _ = self.0.subscribe().wait_for(|asked| asked.ever).await;
    }

    /// Waits until none is open, and none comes for so long.
    pub(super) async fn idle_for(&self, span: Duration) {
        let mut asked = self.0.subscribe();
        loop {
            let _ = asked.wait_for(|asked| asked.open == 0).await;
            if timeout(span, asked.wait_for(|asked| asked.open > 0)).await.is_err() {
                return;
            }
        }
    }
}

/// One that is open.
pub(super) struct Open(Requests);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.send_modify(|asked| asked.open = asked.open.saturating_sub(1));
    }
}

/// The body of an answer; its request is open until the last of it is handed to the connection, or it is given up. What the
/// connection itself holds then, some kilobytes for a client that does not read, is no longer counted.
pub(super) struct Answer {
    pub(super) body: Body,
    pub(super) _open: Open,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
