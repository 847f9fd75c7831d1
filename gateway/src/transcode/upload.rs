//! Uploads: sends the body of a request to the service as a stream of messages, chunk by chunk, and never holds the whole body.
//!
//! The first message has the fields that the path and the query set, and the content type; the others have only bytes. The stream
//! ends when the body ends. If the body is interrupted or refused, the call is reset.

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

/// An encoded message with a chunk of the body. `None` marks the end of the body.
type Chunk = Option<Bytes>;

/// Sets the content type in the first message.
pub(super) fn set_content_type(message: &mut DynamicMessage, field: &FieldDescriptor, headers: &HeaderMap) {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    set(message, field, "content_type", Value::String(content_type.unwrap_or_default().to_owned()));
}

/// Sets the bytes, if they come whole.
pub(super) fn set_data(message: &mut DynamicMessage, field: &FieldDescriptor, data: Bytes) {
    set(message, field, "data", Value::Bytes(data));
}

/// Makes the call, and sends the body while it arrives. The service may answer before it has received the whole body.
pub(super) async fn send(
    call: Call<'_>,
    field: &FieldDescriptor,
    body: &mut Incoming<'_>,
) -> Result<DynamicMessage, Problem> {
    let _room = body.upload_room()?;
    let route = call.route;
    // At most one chunk waits: while the service reads no chunk, the gateway reads no more of the body.
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
        // If the call accepts no more chunks, it has ended, and its answer says why.
        if chunks.send(chunk).await.is_err() || is_last {
            return Ok(());
        }
    }
}

/// The chunks as a stream. If they stop without the `None` at the end, the body was not read to its end.
fn until_the_last(taken: Receiver<Chunk>) -> impl Stream<Item = Sent> + Send + 'static {
    stream::unfold(Some(taken), |taken| async {
        let mut taken = taken?;
        match taken.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(taken))),
            Some(None) => None,
            None => Some((Err(Status::aborted("the upload was interrupted")), None)),
        }
    })
}

/// Sets a field of the `google.api.HttpBody` within a message.
fn set(message: &mut DynamicMessage, field: &FieldDescriptor, name: &str, value: Value) {
    if let Value::Message(body) = message.get_field_mut(field) {
        body.set_field_by_name(name, value);
    }
}
