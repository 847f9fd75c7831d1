//! Answers that go on: server streaming as server-sent events, or as lines of JSON where the caller asks for them, and
//! streams of `google.api.HttpBody` as the bytes they are.

use std::{io, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, header};
use prost_reflect::DynamicMessage;
use tokio::time::{Instant, timeout_at};
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

/// A stream of answers, and what they are answered to.
pub(super) struct Answers {
    pub(super) route: Arc<Route>,
    pub(super) messages: Streaming<DynamicMessage>,
    pub(super) deadline: Instant,
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
        stream::unfold(Some(self), move |answers| async move {
            let mut answers = answers?;
            let problem = match answers.next().await {
                Ok(None) => return None,
                Ok(Some(message)) => match framing.message(&message, &answers.route.answer) {
                    Ok(frame) => return Some((Ok(frame), Some(answers))),
                    Err(error) => answers.span.in_scope(|| answers.route.unanswerable(&error)),
                },
                Err(problem) => problem,
            };
            Some((Ok(framing.problem(&problem, &answers.ids)), None))
        })
    }

    /// The first message says what the bytes are; an error after it can only break the connection off.
    async fn respond_raw(mut self) -> Result<Response, Problem> {
        let first = self.next().await?.unwrap_or_else(|| DynamicMessage::new(self.route.output.clone()));
        let (content_type, data) = raw::parts(first);
        let rest = stream::unfold(Some(self), |answers| async move {
            let mut answers = answers?;
            match answers.next().await {
                Ok(None) => None,
                Ok(Some(message)) => Some((Ok(raw::parts(message).1), Some(answers))),
                Err(_) => Some((Err(io::Error::other("the stream broke off")), None)),
            }
        });
        Ok(raw::response(content_type, Body::from_stream(stream::once(async { Ok(data) }).chain(rest))))
    }

    async fn next(&mut self) -> Result<Option<DynamicMessage>, Problem> {
        let late = |_| Err(Status::deadline_exceeded(""));
        let next = timeout_at(self.deadline, self.messages.message()).await.unwrap_or_else(late);
        next.map_err(|status| self.span.in_scope(|| self.route.failed(&status)))
    }
}
