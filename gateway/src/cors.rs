//! CORS: which origins may call the gateway from a browser, and which headers their pages may read.

use std::{collections::BTreeSet, convert::Infallible, str::FromStr, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderName, HeaderValue, Method, header};
use levqor_runtime::config::{Reader, Setting};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

const CORS_ORIGINS: Setting = Setting::plain(
    "LEVQOR_CORS_ORIGINS",
    None,
    "Origins whose pages may call the gateway from a browser, with credentials: `https://levqor.ai,https://www.levqor.ai`; `loopback` means every port of this machine. Without it no other origin's page may.",
);
/// In the setting, this word allows pages on every port of this machine, for development.
const LOOPBACK: &str = "loopback";
/// How long a browser may cache the response to a preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// Headers that a page may send. The scripts of Sentry and OpenTelemetry add their trace headers to every request.
fn request_headers() -> Vec<HeaderName> {
    vec![
        header::ACCEPT,
        header::ACCEPT_LANGUAGE,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
        HeaderName::from_static("baggage"),
        HeaderName::from_static("sentry-trace"),
    ]
}

/// Headers that a page may read, in addition to those that every page may read (such as `Content-Type`).
fn answer_headers() -> Vec<HeaderName> {
    vec![
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("x-trace-id"),
        HeaderName::from_static("traceresponse"),
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
        header::RETRY_AFTER,
        header::LOCATION,
        header::ETAG,
        header::ALLOW,
        header::CONTENT_DISPOSITION,
        header::WWW_AUTHENTICATE,
    ]
}

/// The origins whose pages may call the gateway from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    exact: BTreeSet<String>,
    loopback: bool,
}

/// The list contains a text that is not an origin.
#[derive(Debug, thiserror::Error)]
#[error("not a list of origins")]
pub struct NotOrigins;

impl FromStr for Origins {
    type Err = NotOrigins;

    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        let mut origins = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == LOOPBACK {
                origins.loopback = true;
            } else if is_origin(part) {
                origins.exact.insert(part.to_owned());
            } else {
                return Err(NotOrigins);
            }
        }
        Ok(origins)
    }
}

impl Origins {
    /// The setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![CORS_ORIGINS]
    }

    /// Reads the setting and notes a mistake in it. Without the setting, no origin is allowed.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let expected = "origins as browsers write them, such as https://levqor.ai, separated by commas";
        reader.optional(&CORS_ORIGINS, expected).unwrap_or_default()
    }

    /// Whether pages of this origin may call the gateway. The text is compared as it is, because browsers write each origin in
    /// one way only.
    fn allow(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.exact.contains(origin) || (self.loopback && is_loopback(origin))
    }

    /// Whether no origin is allowed.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && !self.loopback
    }

    /// Describes the origins for people.
    pub(crate) fn describe(&self) -> String {
        let loopback = self.loopback.then_some("pages on this machine");
        loopback.into_iter().chain(self.exact.iter().map(String::as_str)).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a browser would write the origin like this: in lower case, without a path, and without the default port. Any other
/// spelling would never match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let usual_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    uri.host().is_some_and(|host| !host.is_empty())
        && uri.authority().is_some_and(|parsed| parsed.as_str() == authority)
        && authority.bytes().all(|b| !b.is_ascii_uppercase() && b != b'@' && b != b'*')
        && !authority.ends_with(':')
        && uri.port_u16() != Some(usual_port)
}

/// Whether the origin is any port of `http://localhost`, `http://127.0.0.1` or `http://[::1]`.
fn is_loopback(origin: &str) -> bool {
    ["http://localhost", "http://127.0.0.1", "http://[::1]"].iter().any(|host| {
        origin.strip_prefix(host).is_some_and(|rest| {
            let is_number =
                |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
            rest.is_empty() || rest.strip_prefix(':').is_some_and(is_number)
        })
    })
}

/// Adds the headers that let pages of allowed origins read responses, and answers preflights.
pub(crate) struct Cors(Option<CorsLayer>);

impl Cors {
    /// Allows pages of these origins.
    #[must_use]
    pub(crate) fn new(origins: Origins) -> Self {
        if origins.is_empty() {
            return Self(None);
        }
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allow(origin)))
            .allow_credentials(true)
            .allow_methods(methods)
            .allow_headers(request_headers())
            .expose_headers(answer_headers())
            .max_age(PREFLIGHT_MAX_AGE)
            .vary([header::ORIGIN]);
        Self(Some(layer))
    }

    /// Answers a request. A preflight with a valid head (`is_valid`) is answered here, and any other request by `answer`.
    pub(crate) async fn around<F: Future<Output = Response>>(
        &self,
        request: Request,
        is_valid: bool,
        answer: impl FnOnce(Request) -> F,
    ) -> Response {
        let passes = is_for_browsers(&request) && (is_valid || request.method() != Method::OPTIONS);
        let layer = self.0.as_ref().filter(|_| passes);
        let Some(layer) = layer else { return answer(request).await };
        let mut answer = Some(answer);
        let inner = service_fn(move |request| {
            // A tower service may be called again, but this one serves one request.
            let answering = answer.take().map(|answer| answer(request));
            async move {
                Ok::<_, Infallible>(match answering {
                    Some(answering) => answering.await,
                    None => Response::new(Body::empty()),
                })
            }
        });
        match layer.layer(inner).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Vendors and probes are not browsers. `OPTIONS` without the headers of a preflight is an ordinary request.
fn is_for_browsers(request: &Request) -> bool {
    let path = request.uri().path();
    let machines =
        path.starts_with("/health/") || path.starts_with("/webhooks/") || path.starts_with("/api/webhooks/");
    let preflight = || {
        let headers = request.headers();
        headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    };
    !machines && (request.method() != Method::OPTIONS || preflight())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it_or_refused() {
        for origin in [
            "https://levqor.ai",
            "https://www.levqor.ai",
            "http://localhost:3000",
            "https://levqor.ai:8443",
            "http://levqor.ai:443",
            "https://xn--bcher-kva.example",
            "http://[2001:db8::1]:3000",
            "loopback",
            "loopback, https://levqor.ai,",
        ] {
            assert!(origin.parse::<Origins>().is_ok(), "{origin}");
        }
        for wrong in [
            "*",
            "null",
            "levqor.ai",
            "https://levqor.ai/",
            "https://levqor.ai/app",
            "https://levqor.ai?",
            "https://Levqor.ai",
            "HTTPS://levqor.ai",
            "https://levqor.ai:443",
            "http://levqor.ai:80",
            "https://levqor.ai:",
            "https://*.levqor.ai",
            "https://me@levqor.ai",
            "https://",
            "ftp://levqor.ai",
            "https://levqor.ai https://www.levqor.ai",
            "https://bücher.example",
        ] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_allowed_origin_is_that_one_and_no_other_that_looks_like_it() {
        let origins: Origins = "https://levqor.ai".parse().expect("origins");
        let allowed = |origin: &'static str| origins.allow(&HeaderValue::from_static(origin));
        assert!(allowed("https://levqor.ai"));
        for other in [
            "http://levqor.ai",
            "https://levqor.ai.evil.example",
            "https://evil-levqor.ai",
            "https://www.levqor.ai",
            "https://levqor.ai:8443",
            "null",
            "http://localhost:3000",
        ] {
            assert!(!allowed(other), "{other}");
        }
    }

    #[test]
    fn loopback_means_every_port_of_this_machine_and_nothing_else() {
        let origins: Origins = "loopback".parse().expect("origins");
        let allowed = |origin: &'static str| origins.allow(&HeaderValue::from_static(origin));
        for origin in
            ["http://localhost", "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"]
        {
            assert!(allowed(origin), "{origin}");
        }
        for other in [
            "http://localhost.evil.example",
            "http://localhost:3000.evil.example",
            "http://localhost:",
            "http://localhost:65536",
            "http://localhost:+80",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.2:3000",
            "http://evil.example",
            "https://levqor.ai",
            "null",
        ] {
            assert!(!allowed(other), "{other}");
        }
    }
}
