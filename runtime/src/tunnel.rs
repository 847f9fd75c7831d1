//! Tunnels: many unary calls over one stream, each with a number; their responses come in the order in which they are ready.
//! A call in a tunnel is admitted, timed and traced like a call of its own. Why: `docs/adr/0004`.

mod client;
mod server;
mod stream;

pub(crate) use self::server::TunnelHost;
pub use self::{client::Tunnels, server::Tunnelled};
