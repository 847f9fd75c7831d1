//! The way to other services: channels balanced over an address list, and what every call carries.

mod addresses;
mod gathered;
mod peer;
mod raw;
mod vendor;
mod vendor_request;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    metadata::MetadataValue,
    transport::{Channel, Endpoint, channel::Change},
};

pub use addresses::{Address, Addresses, PeerAddress};
pub use peer::Peer;
pub use raw::{BytesCodec, call_raw};
pub use vendor::{ApiBase, NotAnApiBase, vendor_client};
pub use vendor_request::send;

use self::gathered::Gathered;

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
pub struct Channels(Arc<HashMap<String, Peer>>);

impl Channels {
    /// Channels to these addresses; lookups of names run as tasks until they are dropped.
    #[must_use]
    pub fn new(addresses: &HashMap<String, Vec<Address>>, tasks: &Background) -> Self {
        let channel = |addresses: &Vec<Address>| match addresses.as_slice() {
            [Address::Fixed(address)] => fixed(*address),
            several => balanced(several.to_vec(), tasks),
        };
        Self(Arc::new(
            addresses.iter().map(|(name, list)| (name.clone(), Peer::new(channel(list)))).collect(),
        ))
    }

    /// The same, and every call over them is timed.
    #[must_use]
    pub fn measured(self, metrics: &Metrics, methods: &'static Methods) -> Self {
        let measured = |(name, peer): (&String, &Peer)| {
            (name.clone(), peer.timed(Calls::client(metrics, methods, name)))
        };
        Self(Arc::new(self.0.iter().map(measured).collect()))
    }

    /// The channel to a service; none where its address is not set.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<Peer> {
        self.0.get(service).cloned()
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

fn balanced(addresses: Vec<Address>, tasks: &Background) -> Channel {
    let (channel, changes) = Channel::balance_channel::<SocketAddr>(64);
    tasks.spawn(async move {
        let mut current = std::collections::BTreeSet::new();
        loop {
            let wanted = addresses::resolve(&addresses).await;
            // A lookup that fails keeps what was there.
            if let Some(wanted) = wanted {
                for gone in current.difference(&wanted) {
                    if changes.send(Change::Remove(*gone)).await.is_err() {
                        return;
                    }
                }
                for new in wanted.difference(&current) {
                    if changes
                        .send(Change::Insert(*new, endpoint(*new).connect_timeout(PATIENCE)))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                current = wanted;
            }
            tokio::time::sleep(RESOLVE_EVERY).await;
        }
    });
    channel
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
    /// The request with everything it carries, the current trace context included.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout);
        let metadata = request.metadata_mut();
        if let Some(bearer) = self.bearer
            && let Ok(mut value) = MetadataValue::try_from(format!("Bearer {}", bearer.expose_secret()))
        {
            value.set_sensitive(true);
            metadata.insert("authorization", value);
        }
        if let Ok(value) = MetadataValue::try_from(self.request_id) {
            metadata.insert("x-request-id", value);
        }
        if let Some(Ok(value)) = self.idempotency_key.map(MetadataValue::try_from) {
            metadata.insert("idempotency-key", value);
        }
        telemetry::inject_current(metadata);
        request
    }
}
