//! The tunnel to one address of a service: a stream of calls. It passes the responses to their callers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{Stream, ready, stream::poll_fn};
use levqor_proto_runtime::v1::{
    TunnelRequest, TunnelResponse, tunnel_response::Outcome, tunnel_service_client::TunnelServiceClient,
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status, transport::Channel};

use crate::{client::Outgoing, tasks::Background};

/// How long a server may take to open a tunnel. It applies to all calls that wait for the tunnel, independent of their own timeouts.
const OPEN_TIMEOUT: Duration = Duration::from_secs(4);
/// The most calls in one tunnel that wait for responses. Further calls are refused, so that memory is bounded.
const MOST_PENDING: usize = 1024;
/// How long calls prefer other addresses after a tunnel failed to open or its server sent a goodbye.
const AVOID: Duration = Duration::from_secs(1);

/// Why a call has no response.
#[derive(Debug, Clone)]
pub(super) enum CallError {
    /// The tunnel was never open.
    NotOpened(Status),
    /// The tunnel ended before the response came.
    Broken(Status),
}

pub(super) type CallResult = Result<Outcome, CallError>;

/// The tunnel to one address: opened on demand, and again after it has ended. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tunnel(Arc<Inner>);

struct Inner {
    channel: Channel,
    background: Background,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The stream for new calls.
    stream: Option<CallStream>,
    /// When the last stream failed to open, or its server sent a goodbye.
    failed: Option<Instant>,
}

/// A stream of calls. After the last clone is dropped it takes no more calls. The server answers the calls that it has, and ends.
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
    /// Whether the caller still waits. If it does not wait, the call is removed.
    fn is_waited_for(&mut self, number: u64) -> bool {
        let waited_for = self.by_number.get(&number).is_some_and(|caller| !caller.is_closed());
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

    /// The cost of choosing this tunnel: first a recent failure, then the number of waiting calls.
    pub(super) fn load(&self) -> (bool, usize) {
        let state = lock(&self.0.state);
        let failed = state.failed.is_some_and(|instant| instant.elapsed() < AVOID);
        (failed, state.stream.as_ref().map_or(0, |stream| lock(&stream.pending).by_number.len()))
    }

    pub(super) async fn call(&self, call: TunnelRequest, carried: &Outgoing<'_>) -> CallResult {
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
            // A new stream always takes the call.
            stream.send(call, caller);
            state.stream = Some(stream);
            // A runtime that shuts down drops the task at once, and the stream's end takes this lock.
            drop(state);
            self.0.background.spawn(task);
        }
        response
    }

    /// A new stream, and the task that runs it. It carries the metadata of the first caller.
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
                        // The server does not run a call whose caller has stopped waiting.
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
    /// Sends a call, or returns it if the stream accepts no more calls.
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
        // The stream may end between the two steps. Then the caller gets that error.
        let _ = self.calls.send(call);
        None
    }
}

/// Passes responses to their callers. Dropping it, for any reason, answers all waiting callers.
struct Responder {
    /// A weak reference: after the tunnel's last user has gone, the stream takes no more calls, and the server ends it.
    tunnel: Weak<Inner>,
    pending: Arc<Mutex<Pending>>,
    /// The error for callers without a response when the stream ends.
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
                self.end = CallError::NotOpened(cut_as_unavailable(status));
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
                            "this version does not know the kind of the response",
                        ))
                    };
                    // A caller that has stopped waiting does not receive it.
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

    /// Takes no more calls into this stream. After a failure, calls prefer other addresses.
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

/// tonic reports UNKNOWN, which no service answers, if the connection breaks before the headers. UNAVAILABLE may be tried again.
fn cut_as_unavailable(status: Status) -> Status {
    if status.code() != Code::Unknown {
        return status;
    }
    let mut unavailable = Status::unavailable("the connection broke before the tunnel was open");
    unavailable.set_source(Arc::new(status));
    unavailable
}

/// The error of a call that is made after this process has closed its connections to other services.
pub(super) fn stopped() -> Status {
    Status::unavailable("the connections to other services are closed")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
