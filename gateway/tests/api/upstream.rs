//! A service of the mesh that answers as the test says, and remembers its requests.

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
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use levqor_proto::runtime::v1::{
    Metadata, TunnelFailure, TunnelRequest, TunnelResponse,
    tunnel_response::Outcome,
    tunnel_service_server::{TunnelService, TunnelServiceServer},
};
use levqor_runtime::{server, tasks::Tasks};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Status, Streaming,
    codec::{DecodeBuf, Decoder},
};

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

/// Holds an answer back until the test opens the gate.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) entered: Notify,
    pub(crate) opened: Notify,
}

/// The requests that the service got.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) request: Value,
    pub(crate) metadata: HeaderMap,
}

/// An upload that has begun. The test is its handler.
pub(crate) struct Upload {
    pub(crate) messages: Streaming<DynamicMessage>,
    pub(crate) answer: oneshot::Sender<Reply>,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    uploads: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Upload>>>,
    _stop: Arc<DropGuard>,
}

struct Shared {
    pool: DescriptorPool,
    replies: Mutex<HashMap<String, Vec<Reply>>>,
    uploads: mpsc::UnboundedSender<Upload>,
    calls: Mutex<HashMap<String, Vec<Call>>>,
}

impl Upstream {
    pub(crate) async fn start(pool: DescriptorPool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (began, uploads) = mpsc::unbounded_channel();
        let shared =
            Arc::new(Shared { pool, replies: Mutex::default(), uploads: began, calls: Mutex::default() });
        let tunnels = TunnelServiceServer::new(Tunnels(Arc::clone(&shared)));
        let app = Router::new()
            .route_service("/levqor.runtime.v1.TunnelService/Tunnel", tunnels)
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        Tasks::default().spawn(server::serve(listener, app, stop.clone()));
        let uploads = Arc::new(tokio::sync::Mutex::new(uploads));
        Self { addr, shared, uploads, _stop: Arc::new(stop.drop_guard()) }
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

    /// The next upload that begins.
    pub(crate) async fn upload(&self) -> Upload {
        self.uploads.lock().await.recv().await.expect("the service runs")
    }

    pub(crate) fn calls(&self, rpc: &str) -> Vec<Call> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).get(rpc).cloned().unwrap_or_default()
    }

    /// How many calls there were, of all RPCs.
    pub(crate) fn count(&self) -> usize {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    /// The last request of an RPC, as JSON with proto names and without defaults.
    pub(crate) fn asked(&self, rpc: &str) -> Value {
        self.calls(rpc).last().map(|call| call.request.clone()).unwrap_or(json!("not asked"))
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let method = shared.method(parts.uri.path());
    let encode =
        |messages: Vec<Value>| messages.into_iter().map(|message| encode(&method, message)).collect();
    let reply = if method.is_client_streaming() {
        // As in services. Without this, the library would treat a cancelled stream as one that ended.
        let body = body.map_err(|_| Status::aborted("the stream was interrupted"));
        let messages = Streaming::new_request(Decode(method.input()), body, None, None);
        let (answer, answered) = oneshot::channel();
        shared.uploads.send(Upload { messages, answer }).map_err(|_| "no test").expect("a handler");
        answered.await.unwrap_or(Reply::Silence)
    } else {
        let body = body.collect().await.expect("a request").to_bytes();
        shared.asked(&method, parts.headers, body.slice(5..))
    };
    match reply {
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

    /// Remembers a call, and tells how to answer it.
    fn asked(&self, method: &MethodDescriptor, metadata: HeaderMap, message: Bytes) -> Reply {
        let message = DynamicMessage::decode(method.input(), message).expect("a message");
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let request = message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON");
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(method.name().to_owned()).or_default().push(Call { request, metadata });
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.get_mut(method.name()).filter(|left| !left.is_empty()).map(|left| left.remove(0));
        reply.unwrap_or(Reply::Messages(vec![json!({})]))
    }
}

/// Decodes messages of one type.
struct Decode(MessageDescriptor);

impl Decoder for Decode {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        Ok(Some(DynamicMessage::decode(self.0.clone(), source).expect("a message")))
    }
}

/// Answers unary calls that come through a tunnel, one after the other.
struct Tunnels(Arc<Shared>);

#[tonic::async_trait]
impl TunnelService for Tunnels {
    async fn tunnel(
        &self,
        request: tonic::Request<Streaming<TunnelRequest>>,
    ) -> Result<tonic::Response<BoxStream<'static, Result<TunnelResponse, Status>>>, Status> {
        let shared = Arc::clone(&self.0);
        let calls = request.into_inner();
        let answers = stream::unfold((shared, calls), |(shared, mut calls)| async {
            let call = calls.message().await.ok()??;
            let number = call.number;
            let answer = tunnelled(&shared, call).await;
            let answer = answer.map(|outcome| TunnelResponse { number, outcome: Some(outcome) });
            Some((answer, (shared, calls)))
        });
        Ok(tonic::Response::new(answers.boxed()))
    }
}

async fn tunnelled(shared: &Shared, call: TunnelRequest) -> Result<Outcome, Status> {
    let method = shared.method(&call.rpc);
    let header = |entry: Metadata| {
        let name = HeaderName::from_bytes(&entry.name).expect("a name");
        (name, HeaderValue::from_maybe_shared(entry.value).expect("a value"))
    };
    let metadata = call.metadata.into_iter().map(header).collect();
    let message = match shared.asked(&method, metadata, call.message) {
        Reply::Messages(mut messages) => encode(&method, messages.pop().expect("a message")),
        Reply::Broken(_, status) => {
            let details = Bytes::copy_from_slice(status.details());
            let (code, message) = (status.code().into(), status.message().to_owned());
            return Ok(Outcome::Failure(TunnelFailure { code, message, details }));
        }
        Reply::Bytes(bytes) => bytes,
        Reply::Gone => return Err(Status::aborted("the tunnel ends, as the test wants it")),
        Reply::Gate(gate) => {
            gate.entered.notify_one();
            gate.opened.notified().await;
            Vec::new()
        }
        Reply::Silence | Reply::Stalled(_) => std::future::pending().await,
    };
    Ok(Outcome::Message(message.into()))
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
