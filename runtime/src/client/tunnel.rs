//! The client's end of tunnels: calls to a service that share one stream per address of it, and answer in any order.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, ready, stream::poll_fn};
use levqor_proto_runtime::v1::{
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

use super::{Background, Outgoing};
use crate::{
    access::{self, Method, Repeat},
    metrics::calls::Calls,
    telemetry,
};

/// How long a server may take to open a tunnel: for all who wait for it, whatever patience the first of them has.
const OPENING: Duration = Duration::from_secs(4);
/// Calls that wait for answers in one tunnel at most; more are refused, so that what is held here has a bound.
const MOST_WAITING: usize = 1024;
/// How long an address is left alone to which no tunnel could be opened, or that said goodbye, while there are others.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// Tunnels to a service, one to each of its addresses. Cheap to clone; opened when first used.
#[derive(Clone)]
pub struct Tunnels {
    to: watch::Receiver<Vec<Tunnel>>,
    calls: Option<Calls>,
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tunnels({})", self.to.borrow().len())
    }
}

impl Tunnels {
    /// Over these, which may change.
    pub(super) fn new(to: watch::Receiver<Vec<Tunnel>>) -> Self {
        Self { to, calls: None }
    }

    /// The same, and each call is timed.
    #[must_use]
    pub(super) fn timed(&self, calls: Calls) -> Self {
        Self { to: self.to.clone(), calls: Some(calls) }
    }

    /// Calls the RPC that takes such requests; it must be among those that the service lets through tunnels. What has left
    /// when its caller stops waiting is done to its end all the same.
    pub async fn call<Req, Res>(&self, carried: &Outgoing<'_>, request: &Req) -> Result<Res, Status>
    where
        Req: Message + Name,
        Res: Message + Default,
    {
        let method = access::methods().by_request(&Req::full_name());
        let method =
            method.ok_or_else(|| Status::unimplemented("there is no RPC that takes this request"))?;
        let timer = self.calls.as_ref().map(|calls| calls.begin(method.path.as_str()));
        let message = Bytes::from(request.encode_to_vec());
        let answer = async {
            let answer = timeout(carried.timeout, self.make(method, carried, message)).await;
            let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
            let undecodable = |_| Status::internal("the answer cannot be decoded");
            let answer = answer.and_then(|answer| Res::decode(answer).map_err(undecodable));
            if let Some(timer) = timer {
                timer.end(code(&answer));
            }
            answer
        };
        let Some(span) = telemetry::rpc_client_span(method.path.as_str()) else { return answer.await };
        let answer = answer.instrument(span.clone()).await;
        telemetry::record_called(&span, code(&answer));
        answer
    }

    async fn make(&self, method: &Method, carried: &Outgoing<'_>, message: Bytes) -> Result<Bytes, Status> {
        let entry =
            |(name, value): (&'static str, String)| Metadata { name: name.into(), value: value.into() };
        let metadata = carried.metadata().map(entry).collect();
        let mut call = TunnelRequest { number: 0, rpc: method.rpc.clone(), metadata, message };
        // A name that was not looked up with success yet has no address.
        let mut to = self.to.clone();
        let some = to.wait_for(|tunnels| !tunnels.is_empty()).await;
        let mut left =
            some.map_err(|_| Status::unavailable("the ways to other services are closed"))?.clone();
        loop {
            // The one that has least to do.
            let best = left.iter().enumerate().min_by_key(|(_, tunnel)| tunnel.load()).map(|(n, _)| n);
            let Some(best) = best else {
                return Err(Status::unavailable("no address of the service answers"));
            };
            let tunnel = left.swap_remove(best);
            let this = if left.is_empty() { std::mem::take(&mut call) } else { call.clone() };
            match tunnel.call(this, carried).await {
                // It is not known whether the other end has seen the call.
                Err(Lost::NotOpened(_)) if !left.is_empty() && method.repeat != Repeat::Unknown => {}
                Err(Lost::NotOpened(status) | Lost::Broken(status)) => return Err(status),
                Ok(Outcome::Message(message)) => return Ok(message),
                Ok(Outcome::Failure(TunnelFailure { code, message, details })) => {
                    return Err(Status::with_details(Code::from(code), message, details));
                }
                Ok(Outcome::Goodbye(_)) => return Err(Status::internal("a goodbye is no answer to a call")),
            }
        }
    }
}

fn code<T>(answer: &Result<T, Status>) -> Code {
    answer.as_ref().map_or_else(Status::code, |_| Code::Ok)
}

/// Why a call has no answer.
#[derive(Debug, Clone)]
enum Lost {
    /// There never was a tunnel.
    NotOpened(Status),
    /// The tunnel ended.
    Broken(Status),
}

type Answer = Result<Outcome, Lost>;

/// The tunnel to one address: opened when it is needed, and another after it has ended. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tunnel(Arc<Inner>);

struct Inner {
    channel: Channel,
    background: Background,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where new calls go.
    open: Option<Open>,
    /// When none could be opened, or one said goodbye.
    failed: Option<Instant>,
}

/// A stream with its calls. Dropped, it takes no more: the server answers those that it has, and ends.
#[derive(Clone)]
struct Open {
    calls: mpsc::UnboundedSender<TunnelRequest>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Those who wait for answers, by the numbers of their calls.
#[derive(Default)]
struct Waiting {
    last: u64,
    by_number: HashMap<u64, oneshot::Sender<Answer>>,
    ended: bool,
}

impl Waiting {
    /// Whether somebody waits for the answer to a call; if not, it is forgotten.
    fn is_waited_for(&mut self, number: u64) -> bool {
        let waited_for = self.by_number.get(&number).is_some_and(|asked| !asked.is_closed());
        if !waited_for {
            self.by_number.remove(&number);
        }
        waited_for
    }
}

impl Tunnel {
    pub(super) fn new(channel: Channel, background: &Background) -> Self {
        Self(Arc::new(Inner { channel, background: background.clone(), state: Mutex::default() }))
    }

    /// How much speaks against choosing it: that none could be opened there just now, and how many wait.
    fn load(&self) -> (bool, usize) {
        let state = lock(&self.0.state);
        let failed = state.failed.is_some_and(|instant| instant.elapsed() < LEFT_ALONE);
        (failed, state.open.as_ref().map_or(0, |open| lock(&open.waiting).by_number.len()))
    }

    async fn call(&self, call: TunnelRequest, carried: &Outgoing<'_>) -> Answer {
        let answer = self.send(call, carried);
        answer.await.unwrap_or_else(|_| Err(Lost::Broken(Status::unavailable("the tunnel ended"))))
    }

    fn send(&self, call: TunnelRequest, carried: &Outgoing<'_>) -> oneshot::Receiver<Answer> {
        let (asked, answer) = oneshot::channel();
        let mut state = lock(&self.0.state);
        let refused = match &state.open {
            Some(open) => open.send(call, asked),
            None => Some((call, asked)),
        };
        if let Some((call, asked)) = refused {
            let (open, stream) = self.open(carried);
            // One that has just begun takes what it is given.
            open.send(call, asked);
            state.open = Some(open);
            // A runtime that ends drops what it is given at once, and the end of a tunnel asks for the lock.
            drop(state);
            self.0.background.spawn(stream);
        }
        answer
    }

    /// A tunnel, and the stream that is to be run for it: opened in the name of who makes the first call through it.
    fn open(&self, carried: &Outgoing<'_>) -> (Open, impl Future<Output = ()> + Send + use<>) {
        let (calls, mut sent) = mpsc::unbounded_channel::<TunnelRequest>();
        let open = Open { calls, waiting: Arc::default() };
        let lost = Lost::NotOpened(Status::unavailable("the ways to other services are closed"));
        let end = End { tunnel: Arc::downgrade(&self.0), waiting: Arc::clone(&open.waiting), lost };
        let channel = self.0.channel.clone();
        let (bearer, request_id) = (carried.bearer.cloned(), carried.request_id.to_owned());
        let waiting = Arc::clone(&open.waiting);
        let stream = async move {
            let opening = Outgoing {
                bearer: bearer.as_ref(),
                request_id: &request_id,
                idempotency_key: None,
                timeout: OPENING,
            };
            let request = opening.request(poll_fn(move |cx| {
                loop {
                    match ready!(sent.poll_recv(cx)) {
                        // Whoever has hung up meanwhile is not worked for.
                        Some(call) if !lock(&waiting).is_waited_for(call.number) => {}
                        call => return Poll::Ready(call),
                    }
                }
            }));
            end.run(channel, request).await;
        };
        (open, stream)
    }
}

impl Open {
    /// Sends a call, or gives it back where none can be sent any more.
    fn send(
        &self,
        mut call: TunnelRequest,
        asked: oneshot::Sender<Answer>,
    ) -> Option<(TunnelRequest, oneshot::Sender<Answer>)> {
        let mut waiting = lock(&self.waiting);
        if waiting.ended || self.calls.is_closed() {
            return Some((call, asked));
        }
        if waiting.by_number.len() >= MOST_WAITING {
            let _ =
                asked.send(Err(Lost::NotOpened(Status::unavailable("too many calls wait in the tunnel"))));
            return None;
        }
        waiting.last += 1;
        call.number = waiting.last;
        waiting.by_number.insert(call.number, asked);
        drop(waiting);
        // It may end between the two: then the answer is that it did.
        let _ = self.calls.send(call);
        None
    }
}

/// The task that hands answers to those who wait. Dropped, whatever the reason, it lets nobody wait.
struct End {
    /// Not held: when its last user has gone, its stream takes no more calls, and the server ends it.
    tunnel: Weak<Inner>,
    waiting: Arc<Mutex<Waiting>>,
    lost: Lost,
}

impl End {
    async fn run(
        mut self,
        channel: Channel,
        calls: tonic::Request<impl Stream<Item = TunnelRequest> + Send + 'static>,
    ) {
        let opened = TunnelServiceClient::new(channel).tunnel(calls).await;
        let mut answers = match opened {
            Ok(answers) => answers.into_inner(),
            Err(status) => {
                self.lost = Lost::NotOpened(status);
                self.retire(Some(Instant::now()));
                return;
            }
        };
        let mut broken = Status::unavailable("the tunnel ended");
        loop {
            match answers.message().await {
                Ok(Some(TunnelResponse { outcome: Some(Outcome::Goodbye(_)), .. })) => {
                    self.retire(Some(Instant::now()));
                }
                Ok(Some(TunnelResponse { number, outcome })) => {
                    let asked = lock(&self.waiting).by_number.remove(&number);
                    let unknown =
                        || Lost::Broken(Status::internal("the answer is of a kind that is not known here"));
                    // Who has hung up does not hear it.
                    let _ = asked.map(|asked| asked.send(outcome.ok_or_else(unknown)));
                }
                Ok(None) => break,
                Err(status) => {
                    broken.set_source(Arc::new(status));
                    break;
                }
            }
        }
        self.lost = Lost::Broken(broken);
    }

    /// Lets no more calls into this stream, and others look elsewhere first if this failed just now.
    fn retire(&self, failed: Option<Instant>) {
        let Some(tunnel) = self.tunnel.upgrade() else { return };
        let mut state = lock(&tunnel.state);
        state.failed = failed.or(state.failed);
        if state.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.waiting, &self.waiting)) {
            state.open = None;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.retire(None);
        let mut waiting = lock(&self.waiting);
        waiting.ended = true;
        for (_, asked) in waiting.by_number.drain() {
            let _ = asked.send(Err(self.lost.clone()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
