//! The server's end of tunnels: many calls over one stream, each of which passes the stack as a call of its own does.

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
use tonic::{Code, Request, Response, Status, Streaming, async_trait, metadata::MetadataMap};

use crate::{
    access::{self, Method},
    chassis::Tasks,
    context::Ctx,
    error::ServiceError,
    rpc::{self, State},
    server::{GOODBYE_PATIENCE, Stack, Undecodable},
    service::Service,
};

/// Calls of one tunnel that are worked on, or whose answers wait to be sent, at most: what comes after them stays in the
/// connection, whose flow control holds the client back.
const MOST_OPEN: usize = 256;

type Handler = Box<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, Result<Bytes, Status>> + Send + Sync>;

/// The RPCs of a service that can be called through a tunnel: unary ones, of the same handlers as without.
#[derive(Default)]
pub struct Tunnelled(HashMap<&'static str, (&'static Method, Handler)>);

impl Tunnelled {
    /// Adds the RPC that takes such requests, with its handler. What is no RPC's request adds none.
    pub fn add<S, Req, Res, E, F, Fut>(&mut self, state: &Arc<S>, handler: F)
    where
        S: State,
        Req: Message + Name + Default + Clone + 'static,
        Res: Message + 'static,
        E: ServiceError,
        F: Fn(Arc<S>, Ctx, Req) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<Res, E>> + Send + 'static,
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

/// The tonic adapter.
#[derive(Clone)]
pub(crate) struct Tunnels {
    stack: Arc<Stack>,
    tunnelled: Arc<Tunnelled>,
    tasks: Tasks,
    stop: CancellationToken,
}

impl Tunnels {
    /// To a service. Calls run as `tasks`, for which the drain waits; `stop` says that the server stops.
    pub(crate) fn new<S: Service>(
        service: &Arc<S>,
        stack: Arc<Stack>,
        tasks: Tasks,
        stop: CancellationToken,
    ) -> Self {
        let mut tunnelled = Tunnelled::default();
        service.tunnelled(&mut tunnelled);
        Self { stack, tunnelled: Arc::new(tunnelled), tasks, stop }
    }
}

#[async_trait]
impl TunnelService for Tunnels {
    type TunnelStream = ReceiverStream<Result<TunnelResponse, Status>>;

    async fn tunnel(
        &self,
        request: Request<Streaming<TunnelRequest>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        let (answers, sent) = mpsc::channel(MOST_OPEN);
        self.tasks.spawn(self.clone().serve(request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(sent)))
    }
}

type Answers = mpsc::Sender<Result<TunnelResponse, Status>>;

impl Tunnels {
    /// Takes calls until the client ends its side, or has not done so long after it was asked to. The tunnel itself ends with
    /// the last answer.
    async fn serve(self, mut calls: Streaming<TunnelRequest>, answers: Answers) {
        let mut give_up = None;
        loop {
            let next = async {
                // First the room for its answer.
                let place = answers.clone().reserve_owned().await.ok()?;
                // A client that breaks off has nobody left who waits.
                Some((place, calls.message().await.ok()??))
            };
            let patience = async {
                match give_up {
                    Some(instant) => sleep_until(instant).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                next = next => {
                    let Some((place, call)) = next else { break };
                    self.tasks.spawn(self.clone().answer(call, place));
                }
                () = self.stop.cancelled(), if give_up.is_none() => {
                    let outcome = Some(Outcome::Goodbye(TunnelGoodbye {}));
                    // A client that has gone, or does not listen, needs no goodbye.
                    let said = answers.send(Ok(TunnelResponse { number: 0, outcome }));
                    let _ = timeout(GOODBYE_PATIENCE, said).await;
                    give_up = Some(Instant::now() + GOODBYE_PATIENCE);
                }
                () = patience => break,
            }
        }
    }

    async fn answer(self, call: TunnelRequest, place: OwnedPermit<Result<TunnelResponse, Status>>) {
        let number = call.number;
        let (answer, _open) = match self.request(call) {
            Ok((request, handler)) => {
                let (answer, open) = self.stack.pass(request, handler, |_| Code::Ok).await;
                (answer, Some(open))
            }
            Err(status) => (Err(status), None),
        };
        let outcome = match answer {
            Ok(message) => Outcome::Message(message),
            Err(status) => Outcome::Failure(failure(&status)),
        };
        place.send(Ok(TunnelResponse { number, outcome: Some(outcome) }));
    }

    /// The call as one of its own would come, and who handles it.
    fn request(&self, call: TunnelRequest) -> Result<(http::Request<Bytes>, &Handler), Status> {
        let (method, handler) = (self.tunnelled.0.get(call.rpc.as_str()))
            .ok_or_else(|| Status::unimplemented("there is no such RPC in tunnels here"))?;
        let mut headers = HeaderMap::new();
        for entry in call.metadata {
            let name = HeaderName::from_bytes(&entry.name);
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(entry.value)) else {
                return Err(Status::invalid_argument("the metadata cannot be headers"));
            };
            if headers.try_append(name, value).is_err() {
                return Err(Status::invalid_argument("the metadata is too large"));
            }
        }
        let mut request = http::Request::new(call.message);
        *request.uri_mut() = http::Uri::from(method.path.clone());
        *request.headers_mut() = headers;
        Ok((request, handler))
    }
}

fn failure(status: &Status) -> TunnelFailure {
    let details = Bytes::copy_from_slice(status.details());
    TunnelFailure { code: status.code().into(), message: status.message().to_owned(), details }
}
