//! Calls to other services: channels that balance over an address list, and the metadata of every call.

mod addresses;
mod peer;
mod raw;
mod unsent;
mod vendor;

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tonic::{
    metadata::MetadataValue,
    transport::{Channel, Endpoint, channel::Change},
};

pub use crate::http::{http_client, local_http_client, unverified_http_client};
pub use addresses::{Address, Addresses, PeerAddress};
pub use peer::Peer;
pub use raw::{BytesCodec, call_raw};
pub use vendor::{ApiBase, NotAnApiBase, send, vendor_client};

use crate::{
    access::Methods,
    id,
    metrics::{Metrics, calls::Calls},
    tasks::Background,
    telemetry,
    tls::Live,
};

/// How often a `dns:` address is resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// How long a service may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Channels to the services of the mesh, by name. Cheap to clone; connects on first use.
#[derive(Clone, Default)]
pub struct Channels(Arc<HashMap<String, Route>>);

/// The channel and the addresses of one service.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) peer: Peer,
    /// The current socket addresses.
    pub(crate) addresses: watch::Receiver<BTreeSet<SocketAddr>>,
    /// How connections are made.
    pub(crate) link: Link,
}

impl Channels {
    /// Creates channels to these addresses. DNS lookups run as tasks until the channels are dropped. With certificates, both ends prove
    /// their names.
    #[must_use]
    pub fn secured(
        addresses: &HashMap<String, Vec<Address>>,
        tasks: &Background,
        tls: Option<&Live>,
    ) -> Self {
        let route = |(name, addresses): (&String, &Vec<Address>)| {
            let link = Link { service: name.as_str().into(), tls: tls.cloned() };
            let route = match addresses.as_slice() {
                [Address::Fixed(address)] if tls.is_none() => fixed(*address, link),
                several => balanced(several.to_vec(), link, tasks),
            };
            (name.clone(), route)
        };
        Self(Arc::new(addresses.iter().map(route).collect()))
    }

    /// Adds metrics: every call is timed.
    #[must_use]
    pub fn measured(self, metrics: &Metrics, methods: &'static Methods) -> Self {
        let measured = |(name, route): (&String, &Route)| {
            let peer = route.peer.timed(Calls::client(metrics, methods, name));
            (name.clone(), Route { peer, ..route.clone() })
        };
        Self(Arc::new(self.0.iter().map(measured).collect()))
    }

    /// The channel to a service. `None` if its address is not set.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<Peer> {
        self.0.get(service).map(|route| route.peer.clone())
    }

    /// The channel and the addresses of a service. `None` if its address is not set.
    pub(crate) fn route(&self, service: &str) -> Option<&Route> {
        self.0.get(service)
    }
}

/// How connections to a service are made. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    service: Arc<str>,
    tls: Option<Live>,
}

impl Link {
    fn endpoint(&self, address: SocketAddr) -> Endpoint {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        // A socket address is always a valid authority.
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .unwrap_or_else(|_| Endpoint::from_static("http://127.0.0.1:1"))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        let secured = self.tls.as_ref().and_then(|tls| tls.secure(&endpoint, &self.service));
        // Without certificates, an endpoint with `https` does not connect at all.
        secured.unwrap_or(endpoint)
    }

    pub(crate) fn channel(&self, address: SocketAddr) -> Channel {
        self.endpoint(address).connect_lazy()
    }

    /// Changes with the certificates. A connection keeps the certificates with which it was opened.
    pub(crate) fn generation(&self) -> u64 {
        self.tls.as_ref().map_or(0, Live::generation)
    }

    async fn changed(&mut self) {
        match &mut self.tls {
            Some(tls) => tls.changed().await,
            None => std::future::pending().await,
        }
    }
}

fn fixed(address: SocketAddr, link: Link) -> Route {
    // These addresses never change.
    let (_, addresses) = watch::channel(BTreeSet::from([address]));
    Route { peer: Peer::new(link.channel(address)), addresses, link }
}

fn balanced(addresses: Vec<Address>, link: Link, tasks: &Background) -> Route {
    let (channel, changes) = Channel::balance_channel::<SocketAddr>(64);
    let (current, watched) = watch::channel(BTreeSet::new());
    let route = Route { peer: Peer::balanced(channel), addresses: watched, link: link.clone() };
    tasks.spawn(async move {
        let (mut link, mut generation) = (link, 0);
        // Runs until no caller holds the channel.
        while !(changes.is_closed() && current.is_closed()) {
            // After a failed lookup the current addresses stay in use.
            if let Some(wanted) = addresses::resolve(&addresses).await {
                let before = current.send_replace(wanted.clone());
                for gone in before.difference(&wanted) {
                    let _ = changes.send(Change::Remove(*gone)).await;
                }
                // New certificates need new connections. Open calls end on the old ones.
                let outdated = std::mem::replace(&mut generation, link.generation()) != generation;
                for address in &wanted {
                    if outdated || !before.contains(address) {
                        let _ = changes.send(Change::Insert(*address, link.endpoint(*address))).await;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RESOLVE_EVERY) => {}
                () = link.changed() => {}
            }
        }
    });
    route
}

/// The metadata of a call to another service.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The user's token, or our service token.
    pub bearer: Option<&'a SecretString>,
    /// The request id, passed on to the callee.
    pub request_id: &'a str,
    /// The idempotency key of the call.
    pub idempotency_key: Option<&'a str>,
    /// How long the caller waits. It is sent as `grpc-timeout` and also enforced on this side.
    pub timeout: Duration,
}

impl Outgoing<'_> {
    /// The request with its metadata.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        for (name, value) in self.metadata() {
            // A value that no header can hold is left out.
            if let Ok(mut value) = MetadataValue::try_from(value) {
                value.set_sensitive(name == AUTHORIZATION);
                request.metadata_mut().insert(name, value);
            }
        }
        request
    }

    /// The metadata, including the current trace context.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&'static str, String)> {
        let bearer = self.bearer.map(|bearer| (AUTHORIZATION, format!("Bearer {}", bearer.expose_secret())));
        let key = self.idempotency_key.map(|key| ("idempotency-key", key.to_owned()));
        // Eight digits at most (gRPC over HTTP/2, "Timeout"): more than a day, longer than any caller waits.
        let timeout = format!("{}m", self.timeout.as_millis().min(99_999_999));
        [(id::REQUEST_ID, self.request_id.to_owned()), ("grpc-timeout", timeout)]
            .into_iter()
            .chain(bearer)
            .chain(key)
            .chain(telemetry::carried())
    }
}

const AUTHORIZATION: &str = "authorization";
