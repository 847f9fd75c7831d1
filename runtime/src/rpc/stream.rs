//! Calls with a streaming response, and calls with a streaming request.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use prost::{Message, Name};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, Span};

use super::{Answered, Broken, State, call, failure};
use crate::{
    access::Repeat,
    audit::reads::Reader,
    context::Ctx,
    error::{ErrorCode, ServiceError},
    server::Permit,
    storable, time_limits,
};

/// The messages of a streaming response. A failure can only be the last item.
pub type Messages<T> = BoxStream<'static, Result<T, Status>>;

/// The messages of an upload stopped before their end. An incomplete upload is an error.
#[derive(Debug, thiserror::Error)]
#[error("the upload was interrupted")]
pub struct BrokenOff(#[source] Status);

impl ServiceError for BrokenOff {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
    fn reason(&self) -> &'static str {
        "MALFORMED_REQUEST"
    }
}

/// Calls a handler with a streaming response, with the context that the server stack made. An error instead of the stream refuses the
/// call, and a failure within the stream ends it; each is logged here, once. A read-only stream ends when its client disconnects, and
/// may last for ever if it sends a message each minute. One that changes data runs to its end, and is shown until the call's deadline.
pub async fn call_stream<S, Req, Res, E, F, Fut, St>(
    state: &Arc<S>,
    request: Request<Req>,
    handler: F,
) -> Answered<Messages<Res>>
where
    S: State,
    Req: Message + Name + Clone + 'static,
    Res: Message + 'static,
    E: ServiceError,
    F: FnOnce(Arc<S>, Ctx, Req) -> Fut + Send + 'static,
    Fut: Future<Output = Result<St, E>> + Send + 'static,
    St: Stream<Item = Result<Res, E>> + Send + 'static,
{
    let chassis = state.chassis();
    let service = chassis.service;
    let (_, extensions, message) = request.into_parts();
    let Some(ctx) = extensions.get::<Ctx>().cloned() else {
        return Err(failure(service, &Broken::NoContext, &message));
    };
    if let Err(invalid) = storable::check(&ctx.method.descriptor.input(), &message.encode_to_vec()) {
        return Err(failure(service, &invalid, &message));
    }
    let permit = extensions.get::<Permit>().cloned();
    let (deadline, repeat) = (ctx.deadline, ctx.method.repeat);
    let reader = Reader::of(&ctx).map(|reader| (reader, chassis.db.clone()));
    let copy = message.clone();
    let opened = AssertUnwindSafe(handler(Arc::clone(state), ctx, message)).catch_unwind();
    let open = async move {
        let messages = match opened.await {
            Ok(Ok(messages)) => messages,
            Ok(Err(error)) => return Err(failure(service, &error, &copy)),
            Err(_) => return Err(failure(service, &Broken::Panic, &copy)),
        };
        if let Some((reader, db)) = reader {
            let recorded = Box::pin(reader.record(&db, &copy.encode_to_vec(), &[])).await;
            recorded.map_err(|error| failure(service, &error, &copy))?;
        }
        Ok(watched(service, copy, messages, permit, time_limits::SILENCE))
    };
    let messages = match repeat {
        Repeat::Safe => Box::pin(open).await?,
        Repeat::Idempotent | Repeat::Unknown => {
            let (tell, told) = oneshot::channel();
            // The task continues after this handle is dropped.
            drop(chassis.tasks.keep(to_the_end(open, tell)));
            let gone = |_| Err(Status::internal("the handler ended without an answer"));
            until(deadline.into(), told.await.unwrap_or_else(gone)?).boxed()
        }
    };
    Ok(Response::new(messages))
}

/// Calls a handler with a streaming request, such as an upload. The handler gets the first message as the request, and the later
/// messages as `Further`. Everything else is as for `call`. An upload has a deadline of its own.
pub async fn call_upload<S, Req, Res, E, F, Fut>(
    state: &Arc<S>,
    request: Request<Streaming<Req>>,
    handler: F,
) -> Answered<Res>
where
    S: State,
    Req: Message + Name + Clone + Default + 'static,
    Res: Message + 'static,
    E: ServiceError,
    F: FnOnce(Arc<S>, Ctx, Req, Further<Req>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Res, E>> + Send + 'static,
{
    let (metadata, extensions, messages) = request.into_parts();
    let mut further = Further(messages);
    let first = match further.next().await {
        Ok(first) => first.unwrap_or_default(),
        Err(error) => return Err(failure(state.chassis().service, &error, &Req::default())),
    };
    let request = Request::from_parts(metadata, extensions, first);
    let shared = Arc::clone(state);
    call(state, request, |_: &S, ctx, first| handler(shared, ctx, first, further)).await
}

/// The messages of a call after the first.
pub struct Further<T>(Streaming<T>);

impl<T> Further<T> {
    /// The next message. `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<T>, BrokenOff> {
        self.0.message().await.map_err(BrokenOff)
    }
}

/// The messages of a handler, in the call's span. The permit is kept until the stream ends. A failure is logged.
fn watched<Req, Res, E, P>(
    service: &'static str,
    request: Req,
    messages: impl Stream<Item = Result<Res, E>> + Send + 'static,
    permit: P,
    silence: Duration,
) -> Messages<Res>
where
    Req: Message + Name + 'static,
    Res: Send + 'static,
    E: ServiceError,
    P: Send + 'static,
{
    let open = (Box::pin(messages), request, permit);
    let span = Span::current();
    let next = move |open| {
        let next = async move {
            let (mut messages, request, permit): (std::pin::Pin<Box<_>>, Req, _) = open?;
            let next = timeout(silence, AssertUnwindSafe(StreamExt::next(&mut messages)).catch_unwind());
            let failed = match next.await {
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(Ok(message)))) => return Some((Ok(message), Some((messages, request, permit)))),
                Ok(Ok(Some(Err(error)))) => failure(service, &error, &request),
                Ok(Err(_)) => failure(service, &Broken::Panic, &request),
                Err(_) => failure(service, &Broken::Silent, &request),
            };
            Some((Err(failed), None))
        };
        next.instrument(span.clone())
    };
    stream::unfold(Some(open), next).boxed()
}

/// Opens a stream, sends the result of the opening to the caller, and runs the stream to its end even if its client is gone.
async fn to_the_end<T: Send + 'static>(
    open: impl Future<Output = Result<Messages<T>, Status>>,
    tell: oneshot::Sender<Result<ReceiverStream<Result<T, Status>>, Status>>,
) {
    // The client may be gone, so the result of each send is ignored.
    let mut messages = match open.await {
        Ok(messages) => messages,
        Err(status) => return drop(tell.send(Err(status))),
    };
    let (sender, receiver) = mpsc::channel(1);
    drop(tell.send(Ok(ReceiverStream::new(receiver))));
    while let Some(message) = messages.next().await {
        drop(sender.send(message).await);
    }
}

/// The messages that come before the deadline. After the deadline, one failure ends the stream.
fn until<T: Send + 'static>(
    deadline: Instant,
    messages: impl Stream<Item = Result<T, Status>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send {
    stream::unfold(Some(messages), move |messages| async move {
        let mut messages = messages?;
        match timeout_at(deadline, messages.next()).await {
            Ok(message) => Some((message?, Some(messages))),
            Err(_) => Some((Err(Status::deadline_exceeded("the call reached its deadline")), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use levqor_proto::billing::v1::GetOrderRequest;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_is_silent_for_too_long_fails_and_keeps_its_permit_until_then() {
        let (permit, mut kept) = oneshot::channel::<()>();
        let messages = stream::iter([Ok::<_, Broken>(1)]).chain(stream::pending());
        let mut messages =
            watched("test", GetOrderRequest::default(), messages, Some(permit), Duration::ZERO);
        assert_eq!(messages.next().await.expect("a message").expect("no failure"), 1);
        assert_eq!(kept.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let failed = messages.next().await.expect("a failure").expect_err("it was silent");
        assert_eq!(failed.code(), Code::DeadlineExceeded);
        assert_eq!(kept.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(messages.next().await.is_none());
    }

    #[tokio::test]
    async fn a_mutation_gives_its_caller_no_answer_after_the_deadline() {
        let messages = stream::iter([Ok(1)]).chain(stream::pending());
        let mut messages = until(Instant::now(), messages).boxed();
        assert_eq!(messages.next().await.expect("a message").expect("no failure"), 1);
        let late = messages.next().await.expect("a failure").expect_err("the deadline is over");
        assert_eq!(late.code(), Code::DeadlineExceeded);
        assert!(messages.next().await.is_none());
    }
}
