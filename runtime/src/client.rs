//! The way to other services: channels balanced over an address list, and what every call carries.

mod addresses;
mod gathered;
mod peer;
mod raw;
mod tunnel;
mod vendor;
mod vendor_request;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tonic::{
    metadata::MetadataValue,
    transport::{Channel, Endpoint, channel::Change},
};

pub use addresses::{Address, Addresses, PeerAddress};
pub use peer::Peer;
pub use raw::{BytesCodec, call_raw};
pub use tunnel::Tunnels;
pub use vendor::{ApiBase, NotAnApiBase, vendor_client};
pub use vendor_request::send;

use self::{gathered::Gathered, tunnel::Tunnel};

use crate::{
    access::Methods,
    chassis::Tasks,
    metrics::{Metrics, calls::Calls},
    telemetry,
};

/// How often a `dns:` address is looked up again.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// How long a service may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an unused connection is kept. Shorter than servers keep theirs, the gateway's two minutes among them: what is sent
/// just as the other side closes is lost.
const KEPT: Duration = Duration::from_secs(45);

/// A client for outside systems. Fails only where TLS cannot be set up.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    crate::install_crypto();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .pool_idle_timeout(KEPT)
        .build()
}

/// A client for this machine's own addresses: a proxy that the environment names has no business between.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
pub fn local_http_client() -> Result<reqwest::Client, reqwest::Error> {
    crate::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(KEPT)
        .build()
}

/// Channels to the services of the mesh, by name. Cheap to clone; connects when first used.
#[derive(Clone, Default)]
pub struct Channels(Arc<HashMap<String, Ways>>);

/// The ways to one service.
#[derive(Clone)]
struct Ways {
    peer: Peer,
    tunnels: Tunnels,
}

impl Channels {
    /// Channels to these addresses; lookups of names run as tasks until they are dropped.
    #[must_use]
    pub fn new(addresses: &HashMap<String, Vec<Address>>, tasks: &Background) -> Self {
        let ways = |addresses: &Vec<Address>| match addresses.as_slice() {
            [Address::Fixed(address)] => one(*address, tasks),
            several => balanced(several.to_vec(), tasks),
        };
        Self(Arc::new(addresses.iter().map(|(name, list)| (name.clone(), ways(list))).collect()))
    }

    /// The same, and every call over them is timed.
    #[must_use]
    pub fn measured(self, metrics: &Metrics, methods: &'static Methods) -> Self {
        let measured = |(name, ways): (&String, &Ways)| {
            let calls = Calls::client(metrics, methods, name);
            let ways = Ways { peer: ways.peer.timed(calls.clone()), tunnels: ways.tunnels.timed(calls) };
            (name.clone(), ways)
        };
        Self(Arc::new(self.0.iter().map(measured).collect()))
    }

    /// The channel to a service; none where its address is not set.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<Peer> {
        self.0.get(service).map(|ways| ways.peer.clone())
    }

    /// The tunnels to a service; none where its address is not set.
    #[must_use]
    pub fn tunnels(&self, service: &str) -> Option<Tunnels> {
        self.0.get(service).map(|ways| ways.tunnels.clone())
    }
}

/// Tasks that end with the process' part they belong to: dropped, they stop.
#[derive(Default, Clone)]
pub struct Background {
    tasks: Tasks,
    stop: tokio_util::sync::CancellationToken,
}

impl Background {
    /// Runs until stopped.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = future => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Stops everything.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    // A socket address is always a valid authority.
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap_or_else(|_| Endpoint::from_static("http://127.0.0.1:1"))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
}

/// A channel to one address. One to a name, or to several, cannot have the same connections: tonic makes those itself.
fn fixed(address: SocketAddr) -> Channel {
    let connect = move |_| async move { Gathered::connect(address, PATIENCE).await.map(TokioIo::new) };
    endpoint(address).connect_with_connector_lazy(tower::service_fn(connect))
}

/// The ways to one address: a connection each, so that what a tunnel has under way never uses up the flow control of other calls.
fn one(address: SocketAddr, tasks: &Background) -> Ways {
    // What is watched never changes.
    let (_, tunnels) = watch::channel(vec![Tunnel::new(fixed(address), tasks)]);
    Ways { peer: Peer::new(fixed(address)), tunnels: Tunnels::new(tunnels) }
}

fn balanced(addresses: Vec<Address>, tasks: &Background) -> Ways {
    let (channel, changes) = Channel::balance_channel::<SocketAddr>(64);
    let (tunnels, watched) = watch::channel(Vec::new());
    let background = tasks.clone();
    tasks.spawn(async move {
        let mut current = BTreeSet::new();
        let mut by_address = BTreeMap::new();
        // Until nobody calls any more, over the one or the other.
        while !(changes.is_closed() && tunnels.is_closed()) {
            let wanted = addresses::resolve(&addresses).await;
            // A lookup that fails keeps what was there.
            if let Some(wanted) = wanted {
                for gone in current.difference(&wanted) {
                    let _ = changes.send(Change::Remove(*gone)).await;
                }
                for new in wanted.difference(&current) {
                    let endpoint = endpoint(*new).connect_timeout(PATIENCE);
                    let _ = changes.send(Change::Insert(*new, endpoint)).await;
                }
                if wanted != current {
                    by_address.retain(|address, _| wanted.contains(address));
                    for address in &wanted {
                        let new = || Tunnel::new(fixed(*address), &background);
                        by_address.entry(*address).or_insert_with(new);
                    }
                    tunnels.send_replace(by_address.values().cloned().collect());
                }
                current = wanted;
            }
            tokio::time::sleep(RESOLVE_EVERY).await;
        }
    });
    Ways { peer: Peer::new(channel), tunnels: Tunnels::new(watched) }
}

/// What a call to another service carries.
pub struct Outgoing<'a> {
    /// The user's token, or one of ours.
    pub bearer: Option<&'a SecretString>,
    /// The request's name, passed on.
    pub request_id: &'a str,
    /// The key by which the call is made once.
    pub idempotency_key: Option<&'a str>,
    /// How long the caller waits; sent as `grpc-timeout` and kept on this side too.
    pub timeout: Duration,
}

impl Outgoing<'_> {
    /// The request with everything it carries.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        for (name, value) in self.metadata() {
            // What no header can hold is not carried.
            if let Ok(mut value) = MetadataValue::try_from(value) {
                value.set_sensitive(name == AUTHORIZATION);
                request.metadata_mut().insert(name, value);
            }
        }
        request
    }

    /// Everything that it carries beside the message, the current trace context included.
    fn metadata(&self) -> impl Iterator<Item = (&'static str, String)> {
        let bearer = self.bearer.map(|bearer| (AUTHORIZATION, format!("Bearer {}", bearer.expose_secret())));
        let key = self.idempotency_key.map(|key| ("idempotency-key", key.to_owned()));
        // Eight digits at most (gRPC over HTTP/2, "Timeout"): more than a day, which nobody waits.
        let timeout = format!("{}m", self.timeout.as_millis().min(99_999_999));
        [("x-request-id", self.request_id.to_owned()), ("grpc-timeout", timeout)]
            .into_iter()
            .chain(bearer)
            .chain(key)
            .chain(telemetry::carried())
    }
}

/// The name under which tokens are carried.
const AUTHORIZATION: &str = "authorization";
