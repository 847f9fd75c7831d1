//! The channel to a service, as generated clients use it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};
use http_body::{Body as _, Frame, SizeHint};
use tonic::{
    Code, Status,
    body::Body,
    transport::{Channel, Error, channel::ResponseFuture},
};
use tower::Service;
use tracing::{Instrument, Span};

use crate::{
    metrics::calls::{Calls, Timer},
    telemetry,
};

/// A channel to a service. Cheap to clone; connects when first used.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
    calls: Option<Calls>,
}

impl Peer {
    /// Over this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { channel, calls: None }
    }

    /// The same, and each call over it is timed.
    #[must_use]
    pub fn timed(&self, calls: Calls) -> Self {
        Self { channel: self.channel.clone(), calls: Some(calls) }
    }
}

impl Service<http::Request<Body>> for Peer {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Either<Answer, BoxFuture<'static, Result<Self::Response, Self::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let timer = self.calls.as_ref().map(|calls| calls.begin(request.uri().path()));
        let mut request = request.map(|body| Body::new(LookAhead::new(body)));
        let Some(span) = telemetry::rpc_client_span(request.uri().path()) else {
            return Either::Left(Answer { inner: Service::call(&mut self.channel, request), timer });
        };
        telemetry::inject(&span, request.headers_mut());
        let call = span.in_scope(|| Service::call(&mut self.channel, request));
        Either::Right(Box::pin(watch(Answer { inner: call, timer }, span)))
    }
}

/// Notes on the span how the call ended. Of a stream it is noted how it began.
async fn watch(call: Answer, span: Span) -> Result<http::Response<Body>, Error> {
    let outcome = call.instrument(span.clone()).await;
    telemetry::record_called(&span, code(&outcome));
    outcome
}

/// The answer to a call, timed: of a stream, that its answers begin.
pub struct Answer {
    inner: ResponseFuture,
    timer: Option<Timer>,
}

impl Future for Answer {
    type Output = Result<http::Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.inner).poll(cx));
        if let Some(timer) = self.timer.take() {
            timer.end(code(&answer));
        }
        Poll::Ready(answer)
    }
}

/// A failure comes with the head of the answer; what has no head was not answered.
fn code(answer: &Result<http::Response<Body>, Error>) -> Code {
    let told = |response: &http::Response<Body>| {
        let code = response.headers().get("grpc-status");
        code.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
    };
    answer.as_ref().map_or(Code::Unavailable, told)
}

/// Says with the last frame that it is the last. tonic's own bodies learn it only when they are asked again, and HTTP/2
/// then sends an empty frame of its own: one more write, one more packet and one more wake-up of the receiver per call.
struct LookAhead {
    inner: Body,
    next: Option<Frame<Bytes>>,
    ended: bool,
}

impl LookAhead {
    fn new(inner: Body) -> Self {
        Self { inner, next: None, ended: false }
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }
}

impl http_body::Body for LookAhead {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match self.next.take() {
            Some(frame) => frame,
            None if self.ended => return Poll::Ready(None),
            None => match ready!(self.poll_inner(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            },
        };
        match self.poll_inner(cx) {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(next))) => self.next = Some(next),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            // A stream that has more to come: it is polled again, and this poll has left its waker.
            Poll::Pending => {}
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && (self.ended || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn body(words: &[&'static str]) -> LookAhead {
        let frame = |word: &&'static str| Ok::<_, Status>(Frame::data(Bytes::from_static(word.as_bytes())));
        let frames: Vec<_> = words.iter().map(frame).collect();
        LookAhead::new(Body::new(StreamBody::new(stream::iter(frames))))
    }

    #[tokio::test]
    async fn the_last_frame_is_known_to_be_the_last() {
        let mut body = body(&["one", "two"]);
        for (word, last) in [("one", false), ("two", true)] {
            let frame = body.frame().await.expect("a frame").expect("data");
            assert_eq!(frame.into_data().expect("data"), word);
            assert_eq!(body.is_end_stream(), last, "{word}");
        }
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_lost_of_a_body() {
        for words in [&[][..], &["a"], &["a", "b", "c"]] {
            let whole = body(words).collect().await.expect("collected").to_bytes();
            assert_eq!(whole, words.concat());
        }
    }
}
