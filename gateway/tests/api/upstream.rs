//! A service of the mesh that answers as the test says, and remembers what it was asked.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use levqor_runtime::{
    chassis::Tasks,
    server::{self, OpenCalls},
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

/// One answer.
pub(crate) enum Reply {
    /// These messages, and then success.
    Messages(Vec<Value>),
    /// These messages, and then this failure.
    Broken(Vec<Value>, Status),
    /// These messages, and then nothing more, ever.
    Stalled(Vec<Value>),
    /// One message, encoded already: what JSON cannot say.
    Bytes(Vec<u8>),
    /// The connection is dropped without an answer.
    Gone,
    /// One empty message, once the gate is opened.
    Gate(Arc<Gate>),
    /// No answer, ever.
    Silence,
}

/// Holds an answer back until the test opens it.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) entered: Notify,
    pub(crate) opened: Notify,
}

/// What the service was asked.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) request: Value,
    pub(crate) metadata: HeaderMap,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

struct Shared {
    pool: DescriptorPool,
    replies: Mutex<HashMap<String, Vec<Reply>>>,
    calls: Mutex<HashMap<String, Vec<Call>>>,
}

impl Upstream {
    pub(crate) async fn start(pool: DescriptorPool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { pool, replies: Mutex::default(), calls: Mutex::default() });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        Tasks::default().spawn(server::serve(listener, app, OpenCalls::default(), stop.clone()));
        Self { addr, shared, _stop: Arc::new(stop.drop_guard()) }
    }

    /// The next answers of an RPC, in this order; after them, empty messages.
    pub(crate) fn reply(&self, rpc: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut all = self.shared.replies.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(rpc.to_owned()).or_default().extend(replies);
    }

    pub(crate) fn reply_json(&self, rpc: &str, message: Value) {
        self.reply(rpc, [Reply::Messages(vec![message])]);
    }

    pub(crate) fn fail(&self, rpc: &str, status: Status) {
        self.reply(rpc, [Reply::Broken(Vec::new(), status)]);
    }

    pub(crate) fn calls(&self, rpc: &str) -> Vec<Call> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).get(rpc).cloned().unwrap_or_default()
    }

    /// How often anything was asked.
    pub(crate) fn count(&self) -> usize {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    /// What was asked last, as JSON with proto names and without defaults.
    pub(crate) fn asked(&self, rpc: &str) -> Value {
        self.calls(rpc).last().map(|call| call.request.clone()).unwrap_or(json!("not asked"))
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (_, name) = parts.uri.path().rsplit_once('/').expect("an RPC's path");
    let method = shared.method(parts.uri.path());
    let body = body.collect().await.expect("a request").to_bytes();
    let message = DynamicMessage::decode(method.input(), body.slice(5..)).expect("a message");
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let request = message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON");
    let call = Call { request, metadata: parts.headers };
    shared
        .calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(name.to_owned())
        .or_default()
        .push(call);
    let reply = {
        let mut replies = shared.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.get_mut(name).filter(|left| !left.is_empty()).map(|left| left.remove(0))
    };
    let encode =
        |messages: Vec<Value>| messages.into_iter().map(|message| encode(&method, message)).collect();
    match reply.unwrap_or(Reply::Messages(vec![json!({})])) {
        Reply::Messages(messages) => respond(encode(messages), None),
        Reply::Broken(messages, status) if messages.is_empty() => status.into_http(),
        Reply::Broken(messages, status) => respond(encode(messages), Some(status)),
        Reply::Stalled(messages) => {
            let frames = frames(encode(messages)).into_iter().map(Ok::<_, Infallible>);
            respond_with(stream::iter(frames).chain(stream::pending()))
        }
        Reply::Bytes(bytes) => respond(vec![bytes], None),
        Reply::Gone => panic!("the connection is dropped, as the test wants it"),
        Reply::Gate(gate) => {
            gate.entered.notify_one();
            gate.opened.notified().await;
            respond(encode(vec![json!({})]), None)
        }
        Reply::Silence => std::future::pending().await,
    }
}

impl Shared {
    fn method(&self, path: &str) -> MethodDescriptor {
        let (service, method) = path.trim_start_matches('/').split_once('/').expect("an RPC's path");
        let service = self.pool.get_service_by_name(service).expect(service);
        service.methods().find(|descriptor| descriptor.name() == method).expect(method)
    }
}

fn encode(method: &MethodDescriptor, message: Value) -> Vec<u8> {
    DynamicMessage::deserialize(method.output(), message)
        .expect("the test's answer fits the RPC")
        .encode_to_vec()
}

fn respond(messages: Vec<Vec<u8>>, failure: Option<Status>) -> Response {
    let mut trailers = HeaderMap::new();
    failure.unwrap_or(Status::ok("")).add_header(&mut trailers).expect("trailers");
    let mut all = frames(messages);
    all.push(Frame::trailers(trailers));
    respond_with(stream::iter(all.into_iter().map(Ok::<_, Infallible>)))
}

fn respond_with(frames: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn frames(messages: Vec<Vec<u8>>) -> Vec<Frame<Bytes>> {
    let frame = |message: Vec<u8>| {
        let mut head_and_message = BytesMut::new();
        head_and_message.put_u8(0);
        head_and_message.put_u32(u32::try_from(message.len()).expect("a small message"));
        head_and_message.put_slice(&message);
        Frame::data(head_and_message.freeze())
    };
    messages.into_iter().map(frame).collect()
}
