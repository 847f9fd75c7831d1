//! Tunnels: many unary calls over one stream, each admitted, timed and traced like a separate call. Why: `docs/adr/0004`.

mod client;
mod server;
mod stream;

pub(crate) use self::server::TunnelHost;
pub use self::{client::Tunnels, server::Tunnelled};
