//! The calls that are not answered to their end, for the way out.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// How often the way out looks.
const LOOK: Duration = Duration::from_millis(50);

/// How many calls were begun, and how many were answered to their end. Cheap to clone, and to count with.
#[derive(Debug, Clone, Default)]
pub struct OpenCalls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl OpenCalls {
    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self) -> Open {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Waits until none is open, and none comes for so long.
    pub(super) async fn idle_for(&self, span: Duration) {
        let (mut since, mut seen) = (Instant::now(), None);
        loop {
            // In this order: a call that ends in between looks open, and is looked at again.
            let (ended, begun) = (self.0.ended.load(Ordering::Acquire), self.0.begun.load(Ordering::Acquire));
            if begun != ended || seen != Some(begun) {
                (since, seen) = (Instant::now(), Some(begun));
            } else if since.elapsed() >= span {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One that is open.
pub(crate) struct Open(OpenCalls);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Release);
    }
}

/// The body of an answer; its call is open until the last of it is handed to the connection, or it is given up.
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
