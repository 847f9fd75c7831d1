//! Answers that go on: server streaming as server-sent events, or as lines of JSON where the caller asks for them, and
//! streams of `google.api.HttpBody` as the bytes they are.

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
    /// Events, unless the caller asks for lines.
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
    /// After so long, server-sent events get a comment, so that nothing between us and the client takes the stream for dead.
    pub heartbeat: Duration,
    /// After so long without a message, the stream fails.
    pub most: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(15), most: time_limits::SILENCE }
    }
}

/// A comment of server-sent events.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// A stream of answers, and what they are answered to.
pub(super) struct Answers {
    pub(super) route: Arc<Route>,
    pub(super) messages: Streaming<DynamicMessage>,
    pub(super) silence: Silence,
    /// When a stream that changes something must have ended. One that only reads goes on.
    pub(super) deadline: Option<Instant>,
    pub(super) ids: Ids,
    /// Of the request: a stream goes on after the request's handler has returned, and its failures belong there.
    pub(super) span: Span,
}

impl Answers {
    /// The whole answer. What fails from here on is told inside it: the status line is gone.
    pub(super) async fn respond(self, headers: &HeaderMap) -> Result<Response, Problem> {
        if matches!(self.route.answer, ResponseForm::Raw) {
            return self.respond_raw().await;
        }
        let framing = Framing::wanted(headers);
        let mut response = Response::new(Body::from_stream(self.framed(framing)));
        response.headers_mut().insert(header::CONTENT_TYPE, framing.content_type());
        // Proxies that buffer would hold events back.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    fn framed(self, framing: Framing) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
        let until = self.patience();
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
                        let until = answers.patience();
                        return Some((Ok(frame), Some((answers, until))));
                    }
                    Err(error) => answers.span.in_scope(|| answers.route.unanswerable(&error)),
                },
                Ok(Err(problem)) => problem,
            };
            Some((Ok(framing.problem(&problem, &answers.ids)), None))
        })
    }

    /// The first message says what the bytes are; an error after it can only break the connection off.
    async fn respond_raw(mut self) -> Result<Response, Problem> {
        let first = self.next(self.patience()).await?;
        let first = first.unwrap_or_else(|| DynamicMessage::new(self.route.output.clone()));
        let (content_type, data) = raw::parts(first);
        let rest = stream::unfold(Some(self), |answers| async move {
            let mut answers = answers?;
            match answers.next(answers.patience()).await {
                Ok(None) => None,
                Ok(Some(message)) => Some((Ok(raw::parts(message).1), Some(answers))),
                Err(_) => Some((Err(io::Error::other("the stream broke off")), None)),
            }
        });
        Ok(raw::response(content_type, Body::from_stream(stream::once(async { Ok(data) }).chain(rest))))
    }

    /// Until when the next message must come. While the client does not read, nobody waits for one.
    fn patience(&self) -> Instant {
        let silence = Instant::now() + self.silence.most;
        self.deadline.map_or(silence, |deadline| deadline.min(silence))
    }

    /// The next message. Nothing is lost where this is dropped.
    async fn next(&mut self, until: Instant) -> Result<Option<DynamicMessage>, Problem> {
        let late = |_| Err(Status::deadline_exceeded(""));
        let next = timeout_at(until, self.messages.message()).await.unwrap_or_else(late);
        next.map_err(|status| self.span.in_scope(|| self.route.failed(&status)))
    }
}
