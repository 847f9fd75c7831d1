//! The TLS handshakes of a port. Each has a time limit. A refused handshake has a reason.

use std::{io, sync::Arc, time::Duration};

use rustls::{CertificateError, Error};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{loaded::Live, name::PeerName};
use crate::{
    metrics::{Attribute, Count, Definition, KeyValue, Metrics},
    summed::Summed,
};

const MISSING: &str = "CERTIFICATE_MISSING";
const EXPIRED: &str = "CERTIFICATE_EXPIRED";
const FOREIGN: &str = "CERTIFICATE_FOREIGN";
const INVALID: &str = "CERTIFICATE_INVALID";
const NAME: &str = "CERTIFICATE_NAME";
const BY_CLIENT: &str = "REFUSED_BY_CLIENT";
const NOT_TLS: &str = "NOT_TLS";
const SLOW: &str = "SLOW";
const HUNG_UP: &str = "HUNG_UP";

/// Every reason for the end of a handshake.
const REASONS: &[&str] = &[MISSING, EXPIRED, FOREIGN, INVALID, NAME, BY_CLIENT, NOT_TLS, SLOW, HUNG_UP];

pub(super) const REFUSALS: Definition = Definition::counter(
    "levqor.tls.refusals",
    "{connection}",
    "Connections that ended in the TLS handshake, by reason: `CERTIFICATE_FOREIGN` is one of another authority, `CERTIFICATE_NAME` one that names no process of the mesh, or several.",
    &[Attribute::one_of("reason", REASONS)],
);

/// How often refused connections are logged, for each reason.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// Does the TLS handshakes of a port. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    live: Live,
    /// Whether a client must show the certificate of a process of the mesh.
    mutual: bool,
    refused: Arc<RefusedHandshakes>,
}

/// Counts and logs refused handshakes, by reason.
struct RefusedHandshakes {
    counts: Vec<(&'static str, Count)>,
    lines: Summed<&'static str>,
}

impl Acceptor {
    /// The port of a service: only processes of the mesh may connect.
    #[must_use]
    pub fn mutual(live: Live, metrics: &Metrics) -> Self {
        let count = |reason| metrics.counter(&REFUSALS, &[KeyValue::new("reason", reason)]);
        let counts = REASONS.iter().copied().map(|reason| (reason, count(reason))).collect();
        let lines = Summed::new(LOG_EVERY, |reason, count| {
            tracing::warn!(reason, count, "connections ended in the TLS handshake");
        });
        Self { live, mutual: true, refused: Arc::new(RefusedHandshakes { counts, lines }) }
    }

    /// The port of the gateway: every client may connect.
    #[must_use]
    pub fn public(live: Live, metrics: &Metrics) -> Self {
        Self { mutual: false, ..Self::mutual(live, metrics) }
    }

    /// Does the TLS handshake. On a mutual port it also returns the client's name. `None`: refused, counted and logged.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> Option<(Box<TlsStream<TcpStream>>, Option<PeerName>)> {
        let refused = match timeout(limit, TlsAcceptor::from(self.live.server()).accept(stream)).await {
            Ok(Ok(stream)) if !self.mutual => return Some((Box::new(stream), None)),
            Ok(Ok(stream)) => match named(&stream) {
                Some(peer) => return Some((Box::new(stream), Some(peer))),
                None => NAME,
            },
            Ok(Err(error)) => reason(&error),
            Err(_) => SLOW,
        };
        self.refused.note(refused);
        None
    }
}

impl RefusedHandshakes {
    fn note(&self, reason: &'static str) {
        if let Some((_, count)) = self.counts.iter().find(|(known, _)| *known == reason) {
            count.one();
        }
        // An attacker could flood the log with one line per connection.
        self.lines.note(reason, reason);
    }
}

/// The name of the client. The handshake has verified its certificate.
fn named(stream: &TlsStream<TcpStream>) -> Option<PeerName> {
    let (_, connection) = stream.get_ref();
    PeerName::of(connection.peer_certificates()?.first()?)
}

fn reason(error: &io::Error) -> &'static str {
    let Some(error) = error.get_ref() else { return HUNG_UP };
    let Some(error) = error.downcast_ref::<Error>() else { return HUNG_UP };
    match error {
        Error::NoCertificatesPresented => MISSING,
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => EXPIRED,
            // The other authority may have the same name as ours.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => FOREIGN,
            _ => INVALID,
        },
        Error::AlertReceived(_) => BY_CLIENT,
        _ => NOT_TLS,
    }
}
