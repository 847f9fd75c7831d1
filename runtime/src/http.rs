//! Clients for HTTP. The process' crypto provider is installed before the first is made.

use std::time::Duration;

/// How long an unused connection is kept. Shorter than servers keep theirs, the gateway's two minutes among them: what is sent
/// just as the other side closes is lost.
const KEPT: Duration = Duration::from_secs(45);

/// A client for outside systems. Fails only where TLS cannot be set up.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    crate::install_crypto();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .pool_idle_timeout(KEPT)
        .build()
}

/// A client for this machine's own addresses: a proxy that the environment names has no business between.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
pub fn local_http_client() -> Result<reqwest::Client, reqwest::Error> {
    crate::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(KEPT)
        .build()
}
