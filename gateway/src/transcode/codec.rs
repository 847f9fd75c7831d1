//! The gRPC codec: requests are already encoded, and responses are decoded into dynamic messages.

use bytes::{BufMut, Bytes};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// An item of the request stream: an encoded message, or the error that ends the stream. Without the error, a stream that
/// stops early would look complete.
pub(crate) type Sent = Result<Bytes, Status>;

/// Sends encoded messages and receives messages of this type.
#[derive(Debug, Clone)]
pub(crate) struct DynamicCodec(pub MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = Sent;
    type Decode = DynamicMessage;
    type Encoder = Encoded;
    type Decoder = Self;

    fn encoder(&mut self) -> Encoded {
        Encoded
    }
    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

/// Passes encoded messages through.
#[derive(Debug)]
pub(crate) struct Encoded;

impl Encoder for Encoded {
    type Item = Sent;
    type Error = Status;

    fn encode(&mut self, item: Sent, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item?);
        Ok(())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let mut message = DynamicMessage::new(self.0.clone());
        // The text names the position of the mistake, not the content. It is logged, and never sent to a caller.
        message.merge(source).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Some(message))
    }
}
