//! The channel to a service, for generated clients.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::{BoxFuture, Either};
use tonic::{
    Code,
    body::Body,
    transport::{Channel, Error, channel::ResponseFuture},
};
use tower::Service;
use tracing::{Instrument, Span};

use super::unsent::Unsent;
use crate::{
    metrics::calls::{Calls, Timer},
    telemetry,
};

/// The future answer to a call.
type Answer = Either<ResponseFuture, BoxFuture<'static, Result<http::Response<Body>, Error>>>;

/// A channel to a service. Cheap to clone; connects on first use.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
    balanced: bool,
    calls: Option<Calls>,
}

impl Peer {
    /// Creates it over a channel to one address.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { channel, balanced: false, calls: None }
    }

    /// Creates it over a channel that balances over replicas. A call that was not sent to one replica is sent to another one.
    #[must_use]
    pub fn balanced(channel: Channel) -> Self {
        Self { channel, balanced: true, calls: None }
    }

    /// Creates it with metrics: each call is timed.
    #[must_use]
    pub fn timed(&self, calls: Calls) -> Self {
        Self { channel: self.channel.clone(), balanced: self.balanced, calls: Some(calls) }
    }

    /// Starts the timer of a call, where calls are timed.
    pub(crate) fn begin(&self, path: &str) -> Option<Timer> {
        self.calls.as_ref().map(|calls| calls.begin(path))
    }

    fn send(&mut self, request: http::Request<Body>) -> Answer {
        if !self.balanced {
            return Either::Left(Service::call(&mut self.channel, request));
        }
        let (request, unsent) = Unsent::of(request);
        let first = Service::call(&mut self.channel, request);
        Either::Right(Box::pin(unsent.answer(self.channel.clone(), first)))
    }
}

impl Service<http::Request<Body>> for Peer {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Either<Timed, BoxFuture<'static, Result<Self::Response, Self::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let timer = self.begin(request.uri().path());
        let Some(span) = telemetry::rpc_client_span(request.uri().path()) else {
            return Either::Left(Timed { inner: self.send(request), timer });
        };
        telemetry::inject(&span, request.headers_mut());
        let call = span.in_scope(|| self.send(request));
        Either::Right(Box::pin(watch(Timed { inner: call, timer }, span)))
    }
}

/// Records the outcome of the call on the span. For a stream it records the outcome of its start.
async fn watch(call: Timed, span: Span) -> Result<http::Response<Body>, Error> {
    let outcome = call.instrument(span.clone()).await;
    telemetry::record_called(&span, code(&outcome));
    outcome
}

/// The timed answer to a call. The time of a stream ends when its answers begin.
pub struct Timed {
    inner: Answer,
    timer: Option<Timer>,
}

impl Future for Timed {
    type Output = Result<http::Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.inner).poll(cx));
        if let Some(timer) = self.timer.take() {
            timer.end(code(&answer));
        }
        Poll::Ready(answer)
    }
}

/// A failure is in the headers of the answer. A call without headers got no answer.
fn code(answer: &Result<http::Response<Body>, Error>) -> Code {
    let code = |response: &http::Response<Body>| {
        let code = response.headers().get("grpc-status");
        code.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
    };
    answer.as_ref().map_or(Code::Unavailable, code)
}
