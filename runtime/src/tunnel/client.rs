//! The client's end of tunnels: one stream to each address of a service. Where a service does not know tunnels, or does not
//! take the RPC through them, the call is made without one: gateway and services can be upgraded in any order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, ready, stream::poll_fn};
use levqor_proto::runtime::v1::{
    Metadata, TunnelFailure, TunnelRequest, TunnelResponse, tunnel_response::Outcome,
    tunnel_service_client::TunnelServiceClient,
};
use prost::{Message, Name};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tonic::{Code, Status, transport::Channel};
use tracing::Instrument;

use crate::{
    access::{self, Method, Repeat},
    client::{Channels, Outgoing, Peer, call_raw, channel_to},
    tasks::Background,
    telemetry,
};

/// How long a server may take to open a tunnel. It holds for all calls that wait for it, whatever their own timeouts are.
const OPEN_TIMEOUT: Duration = Duration::from_secs(4);
/// Calls that wait for responses in one tunnel at most; more are refused, so that what is held here has a bound.
const MOST_PENDING: usize = 1024;
/// How long an address is avoided, while there are others, after a tunnel could not be opened or its server said goodbye.
const AVOID: Duration = Duration::from_secs(1);

/// Tunnels to a service, one to each of its addresses. Cheap to clone; opened when first used.
#[derive(Clone)]
pub struct Tunnels {
    addresses: watch::Receiver<BTreeSet<SocketAddr>>,
    by_address: Arc<Mutex<BTreeMap<SocketAddr, Tunnel>>>,
    /// For calls without a tunnel.
    peer: Peer,
    background: Background,
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tunnels({})", self.addresses.borrow().len())
    }
}

impl Tunnels {
    /// Tunnels to a service, run as background tasks; none where its address is not set.
    #[must_use]
    pub fn new(channels: &Channels, service: &str, background: &Background) -> Option<Self> {
        let (peer, addresses) = (channels.get(service)?, channels.addresses(service)?);
        Some(Self { addresses, by_address: Arc::default(), peer, background: background.clone() })
    }

    /// Calls the RPC that takes such requests. A call that was sent is worked on to its end, also when its caller stops waiting.
    pub async fn call<Req, Res>(&self, carried: &Outgoing<'_>, request: &Req) -> Result<Res, Status>
    where
        Req: Message + Name,
        Res: Message + Default,
    {
        let method = access::methods().by_request(&Req::full_name());
        let method =
            method.ok_or_else(|| Status::unimplemented("there is no RPC that takes this request"))?;
        let message = Bytes::from(request.encode_to_vec());
        let begun = Instant::now();
        let mut response = self.call_in_tunnel(method, carried, message.clone()).await;
        if response.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
            let left = carried.timeout.saturating_sub(begun.elapsed());
            let request = Outgoing { timeout: left, ..*carried }.request(message);
            let call = call_raw(self.peer.clone(), method.path.clone(), request);
            response = within(left, async { call.await.map(tonic::Response::into_inner) }).await;
        }
        Res::decode(response?).map_err(|_| Status::internal("the response cannot be decoded"))
    }

    /// Calls through a tunnel, timed and in a span.
    async fn call_in_tunnel(
        &self,
        method: &Method,
        carried: &Outgoing<'_>,
        message: Bytes,
    ) -> Result<Bytes, Status> {
        let timer = self.peer.begin(method.path.as_str());
        let call = async {
            let response = within(carried.timeout, self.send(method, carried, message)).await;
            if let Some(timer) = timer {
                timer.end(code(&response));
            }
            response
        };
        let Some(span) = telemetry::rpc_client_span(method.path.as_str()) else { return call.await };
        let response = call.instrument(span.clone()).await;
        telemetry::record_called(&span, code(&response));
        response
    }

    /// Sends a call through the tunnel with the least to do, and through another one where that tunnel cannot be opened.
    async fn send(&self, method: &Method, carried: &Outgoing<'_>, message: Bytes) -> Result<Bytes, Status> {
        let entry =
            |(name, value): (&'static str, String)| Metadata { name: name.into(), value: value.into() };
        let metadata = carried.metadata().map(entry).collect();
        let call = TunnelRequest { number: 0, rpc: method.rpc.clone(), metadata, message };
        let mut tunnels = self.tunnels().await?;
        loop {
            let best = tunnels.iter().enumerate().min_by_key(|(_, tunnel)| tunnel.load()).map(|(n, _)| n);
            let Some(best) = best else {
                return Err(Status::unavailable("no address of the service answers"));
            };
            match tunnels.swap_remove(best).call(call.clone(), carried).await {
                // It is not known whether the other end has seen the call.
                Err(CallError::NotOpened(_)) if !tunnels.is_empty() && method.repeat != Repeat::Unknown => {}
                Err(CallError::NotOpened(status) | CallError::Broken(status)) => return Err(status),
                Ok(Outcome::Message(message)) => return Ok(message),
                Ok(Outcome::Failure(TunnelFailure { code, message, details })) => {
                    return Err(Status::with_details(Code::from(code), message, details));
                }
                Ok(Outcome::Goodbye(_)) => {
                    return Err(Status::internal("a goodbye is no response to a call"));
                }
            }
        }
    }

    /// The tunnel to each address that the service has now. A name that was not looked up yet has none: it is waited for.
    async fn tunnels(&self) -> Result<Vec<Tunnel>, Status> {
        let mut addresses = self.addresses.clone();
        let addresses = addresses.wait_for(|addresses| !addresses.is_empty()).await;
        let addresses = addresses.map_err(|_| stopped())?;
        let mut by_address = lock(&self.by_address);
        by_address.retain(|address, _| addresses.contains(address));
        for address in addresses.iter() {
            let new = || Tunnel::new(channel_to(*address), &self.background);
            by_address.entry(*address).or_insert_with(new);
        }
        Ok(by_address.values().cloned().collect())
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no response in time")))
}

fn code<T>(response: &Result<T, Status>) -> Code {
    response.as_ref().map_or_else(Status::code, |_| Code::Ok)
}

fn stopped() -> Status {
    Status::unavailable("the connections to other services are closed")
}

/// Why a call has no response.
#[derive(Debug, Clone)]
enum CallError {
    /// The tunnel was never open.
    NotOpened(Status),
    /// The tunnel ended before the response came.
    Broken(Status),
}

type CallResult = Result<Outcome, CallError>;

/// The tunnel to one address: opened when it is needed, and opened again after it has ended. Cheap to clone.
#[derive(Clone)]
struct Tunnel(Arc<Inner>);

struct Inner {
    channel: Channel,
    background: Background,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The stream that new calls go into.
    stream: Option<CallStream>,
    /// When the last stream could not be opened, or its server said goodbye.
    failed: Option<Instant>,
}

/// A stream of calls. When the last clone is dropped it takes no more: the server responds to those that it has, and ends.
#[derive(Clone)]
struct CallStream {
    calls: mpsc::UnboundedSender<TunnelRequest>,
    pending: Arc<Mutex<Pending>>,
}

/// Calls that wait for their responses, by number.
#[derive(Default)]
struct Pending {
    last_number: u64,
    by_number: HashMap<u64, oneshot::Sender<CallResult>>,
    ended: bool,
}

impl Pending {
    /// Whether the caller still waits; if not, the call is forgotten.
    fn is_waited_for(&mut self, number: u64) -> bool {
        let waited_for = self.by_number.get(&number).is_some_and(|caller| !caller.is_closed());
        if !waited_for {
            self.by_number.remove(&number);
        }
        waited_for
    }
}

impl Tunnel {
    fn new(channel: Channel, background: &Background) -> Self {
        Self(Arc::new(Inner { channel, background: background.clone(), state: Mutex::default() }))
    }

    /// What speaks against choosing this tunnel: a failure just now, then the number of calls that wait.
    fn load(&self) -> (bool, usize) {
        let state = lock(&self.0.state);
        let failed = state.failed.is_some_and(|instant| instant.elapsed() < AVOID);
        (failed, state.stream.as_ref().map_or(0, |stream| lock(&stream.pending).by_number.len()))
    }

    async fn call(&self, call: TunnelRequest, carried: &Outgoing<'_>) -> CallResult {
        let response = self.send(call, carried);
        response.await.unwrap_or_else(|_| Err(CallError::Broken(Status::unavailable("the tunnel ended"))))
    }

    fn send(&self, call: TunnelRequest, carried: &Outgoing<'_>) -> oneshot::Receiver<CallResult> {
        let (caller, response) = oneshot::channel();
        let mut state = lock(&self.0.state);
        let refused = match &state.stream {
            Some(stream) => stream.send(call, caller),
            None => Some((call, caller)),
        };
        if let Some((call, caller)) = refused {
            let (stream, task) = self.open(carried);
            // A stream that has just begun takes the call.
            stream.send(call, caller);
            state.stream = Some(stream);
            // A runtime that ends drops the task at once, and the end of a stream takes the lock.
            drop(state);
            self.0.background.spawn(task);
        }
        response
    }

    /// A new stream, and the task that runs it. It is opened in the name of the first caller.
    fn open(&self, carried: &Outgoing<'_>) -> (CallStream, impl Future<Output = ()> + Send + use<>) {
        let (calls, mut sent) = mpsc::unbounded_channel::<TunnelRequest>();
        let stream = CallStream { calls, pending: Arc::default() };
        let end = CallError::NotOpened(stopped());
        let responder =
            Responder { tunnel: Arc::downgrade(&self.0), pending: Arc::clone(&stream.pending), end };
        let channel = self.0.channel.clone();
        let (bearer, request_id) = (carried.bearer.cloned(), carried.request_id.to_owned());
        let pending = Arc::clone(&stream.pending);
        let task = async move {
            let opening = Outgoing {
                bearer: bearer.as_ref(),
                request_id: &request_id,
                idempotency_key: None,
                timeout: OPEN_TIMEOUT,
            };
            let request = opening.request(poll_fn(move |cx| {
                loop {
                    match ready!(sent.poll_recv(cx)) {
                        // The server does not work for a caller that has stopped waiting meanwhile.
                        Some(call) if !lock(&pending).is_waited_for(call.number) => {}
                        call => return Poll::Ready(call),
                    }
                }
            }));
            responder.run(channel, request).await;
        };
        (stream, task)
    }
}

impl CallStream {
    /// Sends a call, or gives it back where the stream takes no more.
    fn send(
        &self,
        mut call: TunnelRequest,
        caller: oneshot::Sender<CallResult>,
    ) -> Option<(TunnelRequest, oneshot::Sender<CallResult>)> {
        let mut pending = lock(&self.pending);
        if pending.ended || self.calls.is_closed() {
            return Some((call, caller));
        }
        if pending.by_number.len() >= MOST_PENDING {
            let full = Status::unavailable("too many calls wait in the tunnel");
            let _ = caller.send(Err(CallError::NotOpened(full)));
            return None;
        }
        pending.last_number += 1;
        call.number = pending.last_number;
        pending.by_number.insert(call.number, caller);
        drop(pending);
        // It may end between the two: then the caller is told so.
        let _ = self.calls.send(call);
        None
    }
}

/// Hands responses to their callers. Dropped, for whatever reason, it leaves no caller waiting.
struct Responder {
    /// Not held: when the tunnel's last user has gone, the stream takes no more calls, and the server ends it.
    tunnel: Weak<Inner>,
    pending: Arc<Mutex<Pending>>,
    /// What callers are told that have no response when the stream ends.
    end: CallError,
}

impl Responder {
    async fn run(
        mut self,
        channel: Channel,
        calls: tonic::Request<impl Stream<Item = TunnelRequest> + Send + 'static>,
    ) {
        let opened = TunnelServiceClient::new(channel).tunnel(calls).await;
        let mut responses = match opened {
            Ok(responses) => responses.into_inner(),
            Err(status) => {
                self.end = CallError::NotOpened(status);
                self.retire(Some(Instant::now()));
                return;
            }
        };
        let mut broken = Status::unavailable("the tunnel ended");
        loop {
            match responses.message().await {
                Ok(Some(TunnelResponse { outcome: Some(Outcome::Goodbye(_)), .. })) => {
                    self.retire(Some(Instant::now()));
                }
                Ok(Some(TunnelResponse { number, outcome })) => {
                    let caller = lock(&self.pending).by_number.remove(&number);
                    let unknown = || {
                        CallError::Broken(Status::internal(
                            "the response is of a kind that is not known here",
                        ))
                    };
                    // A caller that has stopped waiting does not hear it.
                    let _ = caller.map(|caller| caller.send(outcome.ok_or_else(unknown)));
                }
                Ok(None) => break,
                Err(status) => {
                    broken.set_source(Arc::new(status));
                    break;
                }
            }
        }
        self.end = CallError::Broken(broken);
    }

    /// Lets no more calls into this stream; after a failure, calls go to other addresses first.
    fn retire(&self, failed: Option<Instant>) {
        let Some(tunnel) = self.tunnel.upgrade() else { return };
        let mut state = lock(&tunnel.state);
        state.failed = failed.or(state.failed);
        if state.stream.as_ref().is_some_and(|stream| Arc::ptr_eq(&stream.pending, &self.pending)) {
            state.stream = None;
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.retire(None);
        let mut pending = lock(&self.pending);
        pending.ended = true;
        for (_, caller) in pending.by_number.drain() {
            let _ = caller.send(Err(self.end.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
