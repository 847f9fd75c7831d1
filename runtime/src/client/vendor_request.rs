//! Requests to outside systems, each in its own span. Vendors do not receive our trace context.

use reqwest::{RequestBuilder, Response};
use tracing::Instrument;

use crate::telemetry;

/// Sends a request. `template` is its path without parameters, because paths hold ids and personal data.
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
