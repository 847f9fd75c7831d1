//! Tunnels: many unary calls over one stream. Each call has a number, and responses come in the order in which they are ready. A
//! call in a tunnel is admitted, timed and traced like a separate call. Why: `docs/adr/0004`.

mod client;
mod server;
mod stream;

pub(crate) use self::server::TunnelHost;
pub use self::{client::Tunnels, server::Tunnelled};
