//! Uploads: the body of a request as a stream of messages, in the chunks in which it comes, never whole.
//!
//! The first message has the fields that the path and the query set, and the content type; the others have bytes and nothing
//! else. The stream ends where the body ends. A body that breaks off, or is refused, resets the call.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{
    Stream,
    future::{Either, select},
    stream,
};
use http::{HeaderMap, header};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tonic::Status;

use super::{call::Call, codec::Sent};
use crate::{body::Incoming, problem::Problem};

/// What becomes of a chunk: it is sent, or it was the last.
type Chunk = Option<Bytes>;

/// Says in the first message what the bytes are.
pub(super) fn set_content_type(message: &mut DynamicMessage, field: &FieldDescriptor, headers: &HeaderMap) {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    set(message, field, "content_type", Value::String(content_type.unwrap_or_default().to_owned()));
}

/// Makes the call, and sends the body while it comes. The service may answer before it has all of it.
pub(super) async fn send(
    call: Call<'_>,
    field: &FieldDescriptor,
    body: &mut Incoming<'_>,
) -> Result<DynamicMessage, Problem> {
    let _room = body.upload_room()?;
    let route = call.route;
    // One chunk waits at most: while the service takes none, none is read.
    let (chunks, taken) = mpsc::channel(1);
    let answer = pin!(call.upload(until_the_last(taken)));
    let answer = match select(answer, pin!(feed(field, body, chunks))).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Ok(()), answer)) => answer.await,
        Either::Right((Err(problem), _)) => return Err(problem),
    };
    answer.map_err(|status| route.failed(&status))
}

async fn feed(
    field: &FieldDescriptor,
    body: &mut Incoming<'_>,
    chunks: Sender<Chunk>,
) -> Result<(), Problem> {
    loop {
        let chunk = body.next().await?.map(|data| {
            let mut message = DynamicMessage::new(field.parent_message().clone());
            set(&mut message, field, "data", Value::Bytes(data));
            Bytes::from(message.encode_to_vec())
        });
        let is_last = chunk.is_none();
        // A call that takes no more is over, and its answer says why.
        if chunks.send(chunk).await.is_err() || is_last {
            return Ok(());
        }
    }
}

/// The chunks. Where they stop before the last, nobody reads the body to its end any more.
fn until_the_last(taken: Receiver<Chunk>) -> impl Stream<Item = Sent> + Send + 'static {
    stream::unfold(Some(taken), |taken| async {
        let mut taken = taken?;
        match taken.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(taken))),
            Some(None) => None,
            None => Some((Err(Status::aborted("the upload broke off")), None)),
        }
    })
}

/// Sets a field of the `google.api.HttpBody` within a message.
fn set(message: &mut DynamicMessage, field: &FieldDescriptor, name: &str, value: Value) {
    if let Value::Message(body) = message.get_field_mut(field) {
        body.set_field_by_name(name, value);
    }
}
