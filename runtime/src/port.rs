//! A port: takes connections within limits, serves HTTP/1.1 and HTTP/2 over them, and on the way out finishes what it has taken.
//!
//! Every port of the mesh is served here. No port waits for ever for a client that sends half a head, reads no answer, or says
//! nothing at all.

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

pub(crate) use self::connection::GOODBYE_PATIENCE;
pub use self::{accept::serve, files::raise_open_files, requests::Held};

/// The largest head of a request, in bytes: a few kilobytes are usual, the largest token among them.
pub const MOST_HEAD_BYTES: usize = 16 << 10;

/// What connections may take up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Never more than three quarters of the files that the process may open.
    pub connections: usize,
    /// Connections at once of one address.
    pub connections_per_address: usize,
    /// Extra connections for health checks, used only when all others are busy.
    pub reserved: usize,
    /// How long the head of a request may take, from its first byte on.
    pub head: Duration,
    /// How long a connection without a request stays. A request that is sent just as the connection is closed gets no
    /// answer, and its client may not know whether to repeat it: clients and load balancers must be the first to close.
    pub idle: Duration,
    /// How long a client may leave an answer unread. Over HTTP/2 only the stream of that answer is reset.
    pub unread: Duration,
    /// How long a connection stays at most. Then it is closed gracefully (GOAWAY in HTTP/2): in HTTP/1.1 the next answer says
    /// `Connection: close`, and a connection without a request stays until `idle` is over, so that no request is lost.
    pub age: Duration,
    /// How long the requests of a connection that is being closed may go on. `None`: no limit (tunnels run for ever).
    pub farewell: Option<Duration>,
    /// Requests at once over one HTTP/2 connection.
    pub streams: u32,
    /// HTTP/2 flow-control windows: connection, stream.
    pub windows: Option<(u32, u32)>,
}

impl Limits {
    /// Of a port that only the mesh's own processes are meant to reach.
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

/// How a connection came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// From where.
    pub from: IpAddr,
    /// It has one of the connections that are kept for questions after our health.
    pub reserved: bool,
}

/// What stands behind a port.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The address that a connection is counted by; none where it is a proxy that speaks for many.
    fn counted_by(&self, from: IpAddr) -> Option<IpAddr> {
        Some(from.to_canonical())
    }

    /// Answers a request.
    fn answer(
        &self,
        request: Request<Body>,
        arrival: Arrival,
    ) -> impl Future<Output = Response> + Send + use<Self>;
}
