//! The names of processes in certificates: the DNS name `billing.levqor.internal` names billing.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The domain of the mesh. It needs no DNS server. `.internal` is reserved for private use.
const DOMAIN: &str = ".levqor.internal";

/// The name of the process at the other end of a connection, from its verified certificate. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName(Arc<str>);

impl PeerName {
    /// Reads it. `None` if the certificate names no process of the mesh, or more than one. Other names do not count.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        // Clients compare names without regard to case.
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase);
        let mut names = names.filter_map(|name| name.strip_suffix(DOMAIN).map(str::to_owned));
        let name = names.next()?;
        // A wildcard would name every process.
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase());
        (is_plain && names.next().is_none()).then(|| Self(name.into()))
    }

    /// Whether this is the process with that name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        *self.0 == *name
    }
}

/// The name in the certificate of a process.
pub(super) fn certified(name: &str) -> String {
    format!("{name}{DOMAIN}")
}
