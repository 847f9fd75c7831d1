//! TLS: certificates from files that may change while the process runs, the mesh's mutual authentication, and the handshake of a
//! port.
//!
//! Each process of the mesh shows a certificate of the mesh's authority that names it, both as a client and as a server. So a port
//! knows which process calls, and a caller knows that it reached the service that it meant.

mod acceptor;
mod files;
mod loaded;
mod mesh;
mod name;
mod public;

pub use self::{
    acceptor::{Acceptor, METRICS},
    loaded::{Certificates, Live},
    mesh::MeshTls,
    name::PeerName,
    public::PublicTls,
};
