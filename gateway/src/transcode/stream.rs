//! Streaming responses: server-sent events, or lines of JSON if the caller requests them. A stream of `google.api.HttpBody` is
//! answered as the bytes that it holds.

use std::{io, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, header};
use levqor_runtime::time_limits;
use prost_reflect::DynamicMessage;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Status, Streaming};
use tracing::Span;

use super::{
    raw,
    route::{ResponseForm, Route},
    write,
};
use crate::problem::{Ids, Problem};

/// How a stream's messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Events,
    Lines,
}

impl Framing {
    /// Events, unless the caller requests lines.
    fn wanted(headers: &HeaderMap) -> Self {
        let accepts = |kind: &str| {
            headers
                .get_all(header::ACCEPT)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .any(|v| v.contains(kind))
        };
        if accepts("application/x-ndjson") && !accepts("text/event-stream") {
            Self::Lines
        } else {
            Self::Events
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        })
    }

    fn message(self, message: &DynamicMessage, answer: &ResponseForm) -> serde_json::Result<Bytes> {
        let field = if let ResponseForm::Field(field) = answer { Some(field) } else { None };
        let mut frame = BytesMut::with_capacity(512);
        if self == Self::Events {
            frame.put_slice(b"data: ");
        }
        write::append_json(message, field, &mut frame)?;
        frame.put_slice(if self == Self::Events { b"\n\n" } else { b"\n" });
        Ok(frame.freeze())
    }

    fn problem(self, problem: &Problem, ids: &Ids) -> Bytes {
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Events => (b"event: error\ndata: ", b"\n\n"),
            Self::Lines => (b"{\"error\":", b"}\n"),
        };
        Bytes::from([before, &problem.to_json(ids), after].concat())
    }
}

/// How long a stream may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    /// After this time without a message, server-sent events get a comment, so that no proxy closes the stream as idle.
    pub heartbeat: Duration,
    /// After this time without a message, the stream fails.
    pub most: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), most: time_limits::SILENCE }
    }
}

/// A comment of server-sent events.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// A stream of response messages, and the request that it answers.
pub(super) struct Answers {
    pub(super) route: Arc<Route>,
    pub(super) messages: Streaming<DynamicMessage>,
    pub(super) silence: Silence,
    /// The deadline of a stream that changes data. A read-only stream has none.
    pub(super) deadline: Option<Instant>,
    pub(super) ids: Ids,
    /// The request's span: the stream continues after the request's handler has returned, and its failures belong to the request.
    pub(super) span: Span,
}

impl Answers {
    /// The response. Its status line is sent before the messages, so a later failure is reported inside the body.
    pub(super) async fn respond(self, headers: &HeaderMap) -> Result<Response, Problem> {
        if matches!(self.route.answer, ResponseForm::Raw) {
            return self.respond_raw().await;
        }
        let framing = Framing::wanted(headers);
        let mut response = Response::new(Body::from_stream(self.framed(framing)));
        response.headers_mut().insert(header::CONTENT_TYPE, framing.content_type());
        // Tells proxies not to buffer the response, which would delay the events.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    fn framed(self, framing: Framing) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
        let until = self.next_deadline();
        stream::unfold(Some((self, until)), move |open| async move {
            let (mut answers, until) = open?;
            let next = match framing {
                Framing::Events => timeout(answers.silence.heartbeat, answers.next(until)).await,
                // Lines of JSON have no comments.
                Framing::Lines => Ok(answers.next(until).await),
            };
            let problem = match next {
                Err(_) => return Some((Ok(HEARTBEAT), Some((answers, until)))),
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(message))) => match framing.message(&message, &answers.route.answer) {
                    Ok(frame) => {
                        let until = answers.next_deadline();
                        return Some((Ok(frame), Some((answers, until))));
                    }
                    Err(error) => answers.span.in_scope(|| answers.route.unanswerable(&error)),
                },
                Ok(Err(problem)) => problem,
            };
            Some((Ok(framing.problem(&problem, &answers.ids)), None))
        })
    }

    /// The first message says how the response begins. An error after it can only break the connection.
    async fn respond_raw(mut self) -> Result<Response, Problem> {
        let first = self.next(self.next_deadline()).await?;
        let first = first.unwrap_or_else(|| DynamicMessage::new(self.route.output.clone()));
        let (head, data) = raw::parts(first);
        let route = Arc::clone(&self.route);
        let rest = stream::unfold(Some(self), |answers| async move {
            let mut answers = answers?;
            match answers.next(answers.next_deadline()).await {
                Ok(None) => None,
                Ok(Some(message)) => Some((Ok(raw::parts(message).1), Some(answers))),
                Err(_) => Some((Err(io::Error::other("the stream was interrupted")), None)),
            }
        });
        Ok(raw::response(&route, head, Body::from_stream(stream::once(async { Ok(data) }).chain(rest))))
    }

    /// The time by which the next message must arrive. While the client does not read, no message is awaited, so none is late.
    fn next_deadline(&self) -> Instant {
        let silence = Instant::now() + self.silence.most;
        self.deadline.map_or(silence, |deadline| deadline.min(silence))
    }

    /// The next message. No message is lost if this future is dropped.
    async fn next(&mut self, until: Instant) -> Result<Option<DynamicMessage>, Problem> {
        let late = |_| Err(Status::deadline_exceeded(""));
        let next = timeout_at(until, self.messages.message()).await.unwrap_or_else(late);
        next.map_err(|status| self.span.in_scope(|| self.route.failed(&status)))
    }
}
