//! The server's end of tunnels: many calls over one stream. Each call passes the server stack like a separate call.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::{BoxFuture, pending};
use http::{HeaderMap, HeaderName, HeaderValue};
use levqor_proto_runtime::v1::{
    TunnelFailure, TunnelGoodbye, TunnelRequest, TunnelResponse, tunnel_response::Outcome,
    tunnel_service_server::TunnelService,
};
use prost::{Message, Name};
use tokio::{
    sync::mpsc::{self, OwnedPermit},
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status, Streaming, async_trait, codegen::BoxStream, metadata::MetadataMap,
};

use crate::{
    access::{self, Method},
    error::ServiceError,
    port::GOODBYE_TIMEOUT,
    rpc::{self, State},
    server::{Stack, Undecodable},
    tasks::Tasks,
    tls::PeerName,
};

/// The most calls of one tunnel that run or wait with their response. Later calls stay in the connection, and slow the client down.
const MOST_CALLS: usize = 256;

type Handler = Box<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, Result<Bytes, Status>> + Send + Sync>;

/// The unary RPCs of a service that can be called through a tunnel. They use the same handlers as calls without a tunnel.
#[derive(Default)]
pub struct Tunnelled(HashMap<&'static str, (&'static Method, Handler)>);

impl Tunnelled {
    /// Adds the RPC with this request type, with its handler. A type that is not an RPC's request adds nothing.
    pub fn add<S, Req, Res, E, F>(&mut self, state: &Arc<S>, handler: F)
    where
        S: State,
        Req: Message + Name + Default + Clone + 'static,
        Res: Message + 'static,
        E: ServiceError,
        F: for<'a> rpc::Handler<'a, S, Req, Res, E> + Copy + Send + Sync + 'static,
    {
        let Some(method) = access::methods().by_request(&Req::full_name()) else { return };
        let state = Arc::clone(state);
        let handler = move |request: http::Request<Bytes>| -> BoxFuture<'static, _> {
            let state = Arc::clone(&state);
            Box::pin(async move {
                let (parts, message) = request.into_parts();
                let service = state.chassis().service;
                let message = Req::decode(message).map_err(|_| Undecodable.status(service))?;
                let metadata = MetadataMap::from_headers(parts.headers);
                let request = Request::from_parts(metadata, parts.extensions, message);
                let response = rpc::call(&state, request, handler).await?;
                Ok(Bytes::from(response.into_inner().encode_to_vec()))
            })
        };
        self.0.insert(&method.rpc, (method, Box::new(handler)));
    }
}

#[derive(Clone)]
pub(crate) struct TunnelHost {
    stack: Arc<Stack>,
    tunnelled: Arc<Tunnelled>,
    tasks: Tasks,
    stop: CancellationToken,
}

impl TunnelHost {
    /// Serves calls to these RPCs. They run as `tasks`, and the drain waits for them. `stop` says that the server stops.
    pub(crate) fn new(
        tunnelled: Tunnelled,
        stack: Arc<Stack>,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> Self {
        Self { stack, tunnelled: Arc::new(tunnelled), tasks, stop }
    }
}

#[async_trait]
impl TunnelService for TunnelHost {
    async fn tunnel(
        &self,
        request: Request<Streaming<TunnelRequest>>,
    ) -> Result<Response<BoxStream<TunnelResponse>>, Status> {
        let (responses, sent) = mpsc::channel(MOST_CALLS);
        let peer = request.extensions().get::<PeerName>().cloned();
        self.tasks.spawn(self.clone().serve(peer, request.into_inner(), responses));
        Ok(Response::new(Box::pin(ReceiverStream::new(sent))))
    }
}

impl TunnelHost {
    /// Accepts calls until the client ends its side, or `GOODBYE_TIMEOUT` after the goodbye. The last response ends the tunnel.
    async fn serve(
        self,
        peer: Option<PeerName>,
        mut calls: Streaming<TunnelRequest>,
        responses: mpsc::Sender<Result<TunnelResponse, Status>>,
    ) {
        let mut deadline = None;
        loop {
            let next = async {
                // Reserve room for the response first.
                let permit = responses.clone().reserve_owned().await.ok()?;
                // If the client has gone, no caller waits.
                Some((permit, calls.message().await.ok()??))
            };
            let timed_out = async {
                match deadline {
                    Some(instant) => sleep_until(instant).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                next = next => {
                    let Some((permit, call)) = next else { break };
                    self.tasks.spawn(self.clone().respond(peer.clone(), call, permit));
                }
                () = self.stop.cancelled(), if deadline.is_none() => {
                    let outcome = Some(Outcome::Goodbye(TunnelGoodbye {}));
                    // A client that has gone, or does not read, needs no goodbye message.
                    let goodbye = responses.send(Ok(TunnelResponse { number: 0, outcome }));
                    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
                    deadline = Some(Instant::now() + GOODBYE_TIMEOUT);
                }
                () = timed_out => break,
            }
        }
    }

    async fn respond(
        self,
        peer: Option<PeerName>,
        call: TunnelRequest,
        permit: OwnedPermit<Result<TunnelResponse, Status>>,
    ) {
        let number = call.number;
        let response = match self.request(peer, call) {
            Ok((request, handler)) => self.stack.pass(request, handler, |_| Code::Ok).await,
            Err(status) => Err(status),
        };
        let outcome = match response {
            Ok(message) => Outcome::Message(message),
            Err(status) => Outcome::Failure(TunnelFailure {
                code: status.code().into(),
                message: status.message().to_owned(),
                details: Bytes::copy_from_slice(status.details()),
            }),
        };
        permit.send(Ok(TunnelResponse { number, outcome: Some(outcome) }));
    }

    /// The call in the form of a separate call, and its handler.
    fn request(
        &self,
        peer: Option<PeerName>,
        call: TunnelRequest,
    ) -> Result<(http::Request<Bytes>, &Handler), Status> {
        let (method, handler) = (self.tunnelled.0.get(call.rpc.as_str()))
            .ok_or_else(|| Status::unimplemented("this RPC cannot be called through a tunnel"))?;
        let mut headers = HeaderMap::new();
        for entry in call.metadata {
            let name = HeaderName::from_bytes(&entry.name);
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(entry.value)) else {
                return Err(Status::invalid_argument("the metadata is not valid as headers"));
            };
            if headers.try_append(name, value).is_err() {
                return Err(Status::invalid_argument("the metadata is too large"));
            }
        }
        let mut request = http::Request::new(call.message);
        *request.uri_mut() = http::Uri::from(method.path.clone());
        *request.headers_mut() = headers;
        // All calls of the tunnel have the certificate of its connection.
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        Ok((request, handler))
    }
}
