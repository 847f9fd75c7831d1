//! A port of the mesh: accepts connections within limits, serves HTTP/1.1 and HTTP/2, and finishes the open requests on shutdown.
//! It has time limits for clients that send half a head or nothing, or that do not read their answer.

mod accept;
mod connection;
mod files;
mod framing;
mod requests;
mod stream;
mod streams;
mod table;

use std::{net::IpAddr, time::Duration};

use axum::{body::Body, response::Response};
use http::Request;

use crate::tls::{Acceptor, PeerName};

pub(crate) use self::connection::GOODBYE_TIMEOUT;
pub use self::{accept::serve, files::raise_open_files, requests::Held};

/// The largest head of a request, in bytes. A few kilobytes are usual, and the largest token fits.
pub const MOST_HEAD_BYTES: usize = 16 << 10;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most open connections. Never more than three quarters of the files that the process may open.
    pub connections: usize,
    /// The most open connections of one address.
    pub connections_per_address: usize,
    /// Extra connections for health checks, used only when all others are busy.
    pub reserved: usize,
    /// The time limit of a request's head, from its first byte, and of the TLS handshake.
    pub head: Duration,
    /// How long a connection without a request stays open. A request that is sent while the connection closes gets no answer, and
    /// its client may not know whether to retry. So clients and load balancers must close first.
    pub idle: Duration,
    /// How long a client may leave an answer unread. Over HTTP/2 only that answer's stream is reset.
    pub unread: Duration,
    /// The longest life of a connection. Then HTTP/2 sends GOAWAY, and the next answer of HTTP/1.1 says `Connection: close`; without
    /// a request the connection stays open until `idle` is over, so that no request is lost.
    pub age: Duration,
    /// How long the requests of a closing connection may continue. `None`: no limit (tunnels run for ever).
    pub farewell: Option<Duration>,
    /// The most concurrent requests of one HTTP/2 connection.
    pub streams: u32,
    /// HTTP/2 flow-control windows: connection, stream.
    pub windows: Option<(u32, u32)>,
}

impl Limits {
    /// The limits of a port that only the mesh's own processes should reach.
    #[must_use]
    pub const fn internal() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 512,
            reserved: 0,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            unread: Duration::from_secs(20),
            age: Duration::from_hours(1),
            farewell: None,
            streams: 1024,
            windows: None,
        }
    }
}

/// The origin of a connection.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The client's address.
    pub from: IpAddr,
    /// Whether it uses one of the connections that are reserved for health checks.
    pub reserved: bool,
    /// The process of the mesh that its certificate names. `None` on a port that requires no certificate.
    pub peer: Option<PeerName>,
}

/// The service behind a port.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The address whose connection limit applies. `None` if it is a proxy for many clients.
    fn counted_by(&self, from: IpAddr) -> Option<IpAddr> {
        Some(from.to_canonical())
    }

    /// Does the TLS handshake of each connection. `None`: the port uses plain TCP.
    fn acceptor(&self) -> Option<&Acceptor> {
        None
    }

    fn answer(
        &self,
        request: Request<Body>,
        arrival: Arrival,
    ) -> impl Future<Output = Response> + Send + use<Self>;
}
