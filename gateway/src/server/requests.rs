//! The requests of one connection that are not answered to their end.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{sync::watch, time::timeout};

/// What a connection was asked.
#[derive(Default)]
struct Asked {
    ever: bool,
    open: usize,
}

/// Counts them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Requests(watch::Sender<Asked>);

impl Requests {
    /// One more, until what this gives is dropped.
    pub(super) fn begin(&self) -> Open {
        self.0.send_modify(|asked| {
            asked.ever = true;
            asked.open += 1;
        });
        Open(self.clone())
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
