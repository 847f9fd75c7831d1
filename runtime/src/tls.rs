//! TLS: certificates from files that may change while the process runs, and the handshake of a port. Each process of the mesh shows
//! a certificate with its name, as a client and as a server. So a port can identify its callers, and a caller can identify the service.

mod acceptor;
mod expiry;
mod files;
mod loaded;
mod mesh;
mod name;
mod public;

use crate::metrics::Definition;

pub use self::{
    acceptor::Acceptor,
    expiry::{RENEWAL_IS_LATE, show_expiry},
    loaded::{Certificates, Live},
    mesh::MeshTls,
    name::PeerName,
    public::PublicTls,
};

/// The metrics of certificates and handshakes.
pub const METRICS: &[Definition] = &[acceptor::REFUSALS, expiry::EXPIRY, expiry::RENEWAL];
