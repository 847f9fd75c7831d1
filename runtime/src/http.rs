//! HTTP clients. The process' crypto provider is installed before the first client is created.

use std::time::Duration;

/// How long an unused connection is kept: shorter than by the servers, since a request to a closing connection is lost.
const KEPT: Duration = Duration::from_secs(45);

/// A client for outside systems. Fails only where TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    builder().timeout(Duration::from_secs(30)).build()
}

/// A client for this machine's own addresses. It ignores the proxy that the environment names.
pub fn local_http_client() -> Result<reqwest::Client, reqwest::Error> {
    builder().no_proxy().build()
}

/// The same, for a health check over HTTPS. It accepts every certificate: nothing secret may be sent with it.
pub fn unverified_http_client() -> Result<reqwest::Client, reqwest::Error> {
    builder().no_proxy().tls_danger_accept_invalid_certs(true).build()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
fn builder() -> reqwest::ClientBuilder {
    crate::install_crypto();
    reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).pool_idle_timeout(KEPT)
}

/// The strong entity tag of a body (RFC 9110, 8.8.3): equal tags mean equal bytes.
#[must_use]
pub fn entity_tag(body: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, body);
    format!("\"{}\"", hex::encode(hash.as_ref()))
}
