//! TLS: certificates from files that may change while the process runs, until when they are valid, the mesh's mutual
//! authentication, and the handshake of a port.
//!
//! Each process of the mesh shows a certificate of the mesh's authority that names it, both as a client and as a server. So a port
//! knows which process calls, and a caller knows that it reached the service that it meant.

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
