//! HTTP clients of vendors' APIs: the base URL, a client that follows no redirect, and requests with spans.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use reqwest::{RequestBuilder, Response};
use tracing::Instrument;

use crate::telemetry;

/// The base URL of an API, with a slash at its end: `https`, or `http` on this machine, so that no key crosses a network in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiBase {
    url: String,
    host: String,
    on_this_machine: bool,
}

impl ApiBase {
    /// The expected form, for error reports about settings.
    pub const EXPECTED: &str = "an https URL without a path, or http to this machine";

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}

/// The text is not a valid base URL.
#[derive(Debug, thiserror::Error)]
#[error("not the base URL of an API")]
pub struct NotAnApiBase;

impl FromStr for ApiBase {
    type Err = NotAnApiBase;

    fn from_str(text: &str) -> Result<Self, NotAnApiBase> {
        let url: http::Uri = text.parse().map_err(|_| NotAnApiBase)?;
        let authority = url.authority().ok_or(NotAnApiBase)?;
        let host = authority.host().trim_matches(['[', ']']);
        let on_this_machine =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let safe = match url.scheme_str() {
            Some("https") => true,
            Some("http") => on_this_machine,
            _ => false,
        };
        let bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && !authority.as_str().contains('@');
        if safe && bare {
            Ok(Self { url: format!("{url}"), host: host.to_owned(), on_this_machine })
        } else {
            Err(NotAnApiBase)
        }
    }
}

/// A client for one vendor's API. It follows no redirect, because keys and personal data must not reach another host. `timeout` limits the
/// whole call. Fails only if TLS cannot be set up.
#[expect(clippy::disallowed_methods, reason = "beside `http_client`, the one place that makes HTTP clients")]
pub fn vendor_client(
    base: &ApiBase,
    timeout: Duration,
    keep_connections: bool,
) -> Result<reqwest::Client, reqwest::Error> {
    crate::install_crypto();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .timeout(timeout);
    if base.on_this_machine {
        builder = builder.no_proxy();
    }
    if !keep_connections {
        builder = builder.pool_max_idle_per_host(0);
    }
    builder.build()
}

/// Sends a request in a span of its own, without our trace context. `template` is its path without parameters, because paths hold ids
/// and personal data.
pub async fn send(request: RequestBuilder, template: &str) -> Result<Response, reqwest::Error> {
    let (client, request) = request.build_split();
    let request = request?;
    let host = request.url().host_str().unwrap_or_default();
    let span = telemetry::http_client_span(request.method().as_str(), host, template);
    let answer = client.execute(request).instrument(span.clone()).await;
    telemetry::record_http(&span, answer.as_ref().map(|answer| answer.status().as_u16()).map_err(kind));
    answer
}

fn kind(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "connect",
        () => "request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_crosses_a_network_in_the_clear() {
        for good in
            ["https://api.example.com", "https://api.example.com/", "http://localhost:1", "http://[::1]:1"]
        {
            let base = good.parse::<ApiBase>().unwrap_or_else(|_| panic!("{good}"));
            assert!(base.as_str().ends_with('/'), "{base}");
        }
        let bad = [
            "",
            "api.example.com",
            "http://api.example.com",
            "ftp://localhost",
            "https://a@b.c",
            "https://b.c/v1",
        ];
        for bad in bad {
            assert!(bad.parse::<ApiBase>().is_err(), "{bad}");
        }
    }
}
