//! Sends a call to another replica if it was not sent to the first one, because that replica closed the connection or accepted none. A call
//! counts as sent when its body is read, because an RPC cannot begin without the message in the body.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::request::Parts;
use http_body::Frame;
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Error, channel::ResponseFuture},
};
use tower::Service;

/// The most retries of one call. There are many, because the channel may pick the same dead replica again.
const MOST_TIMES: usize = 24;
/// No retry begins later than this after the call.
const RETRY_TIMEOUT: Duration = Duration::from_millis(500);

/// A call while it may be sent again.
pub(super) struct Unsent {
    head: Parts,
    /// The body, until the connection reads it.
    body: Arc<Mutex<Option<Body>>>,
}

impl Unsent {
    /// Keeps a call. The caller sends the returned request first.
    pub(super) fn of(request: http::Request<Body>) -> (http::Request<Body>, Self) {
        let (head, body) = request.into_parts();
        let unsent = Self { head, body: Arc::new(Mutex::new(Some(body))) };
        (unsent.request(), unsent)
    }

    /// The answer to the call. `first` is the call over the channel with the first request.
    pub(super) async fn answer(
        self,
        mut channel: Channel,
        first: ResponseFuture,
    ) -> Result<http::Response<Body>, Error> {
        let begun = Instant::now();
        let mut answer = first.await;
        for _ in 0..MOST_TIMES {
            if answer.is_ok() || self.was_sent() || begun.elapsed() > RETRY_TIMEOUT {
                break;
            }
            poll_fn(|cx| Service::<http::Request<Body>>::poll_ready(&mut channel, cx)).await?;
            answer = Service::call(&mut channel, self.request()).await;
        }
        answer
    }

    fn request(&self) -> http::Request<Body> {
        let body = LentBody { lender: Arc::clone(&self.body), body: None };
        http::Request::from_parts(self.head.clone(), Body::new(body))
    }

    fn was_sent(&self) -> bool {
        lock(&self.body).is_none()
    }
}

/// The body of one request. The first read moves the body out of `Unsent`. From then on the call counts as sent.
struct LentBody {
    lender: Arc<Mutex<Option<Body>>>,
    body: Option<Body>,
}

impl http_body::Body for LentBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.body.is_none() {
            this.body = lock(&this.lender).take();
        }
        match &mut this.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        // The connection must read a body without data too. Otherwise the request would not count as sent.
        self.body.as_ref().is_some_and(http_body::Body::is_end_stream)
    }
}

fn lock(body: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_call_may_be_sent_again_until_its_body_is_read() {
        let message = Body::new(Full::new(Bytes::from_static(b"message")));
        for (body, text) in [(message, "message"), (Body::empty(), "")] {
            let (first, unsent) = Unsent::of(http::Request::new(body));
            assert!(!first.body().is_end_stream(), "a connection would not read it");
            drop(first);
            assert!(!unsent.was_sent());
            let read = unsent.request().into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(read, text);
            assert!(unsent.was_sent());
        }
    }
}
