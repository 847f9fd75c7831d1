//! The call to a service: its metadata, its time limit, and its retries.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::ready, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use levqor_runtime::{
    access::{KeyRule, Repeat},
    client::Peer,
    context::{CLIENT_ADDRESS, CLIENT_NETWORK, CLIENT_PROGRAM, PRIVACY_SIGNAL},
    telemetry,
};
use prost_reflect::DynamicMessage;
use tokio::time::Instant;
use tonic::{Request, Status, Streaming, client::Grpc, metadata::MetadataMap};
use tracing::Span;

use super::{
    codec::{DynamicCodec, Sent},
    route::Route,
};
use crate::{peer::CallerAddress, problem};

/// The largest response of a service.
const MOST_BYTES: usize = 32 << 20;
/// The most retries of a call.
const RETRIES: u32 = 2;
/// How long to wait before the first retry. The second wait is twice as long. Each wait varies at random by half.
const BACKOFF_MS: u64 = 20;
/// The most characters of the name of a caller's program.
const MOST_PROGRAM_CHARS: usize = 200;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The metadata that a call takes over from its HTTP request. No other header is passed on, in particular none that names a user.
/// `client` is the caller of an RPC that keeps evidence, and `counted_by` the address by which the service counts a caller.
pub(super) fn metadata(
    headers: &HeaderMap,
    authorization: Option<HeaderValue>,
    idempotency_key: Option<HeaderValue>,
    request_id: &str,
    client: Option<CallerAddress>,
    counted_by: Option<CallerAddress>,
) -> MetadataMap {
    let mut carried = HeaderMap::with_capacity(8);
    if let Some(value) = authorization {
        carried.insert(header::AUTHORIZATION, value);
    }
    if let Some(value) = idempotency_key {
        carried.insert(IDEMPOTENCY_KEY, value);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        carried.insert(REQUEST_ID, value);
    }
    if let Some(value) = headers.get(header::ACCEPT_LANGUAGE) {
        carried.insert(header::ACCEPT_LANGUAGE, value.clone());
    }
    if let Some(address) = client {
        tell_of_client(&mut carried, headers, address);
    }
    let counted_by = counted_by.and_then(CallerAddress::text);
    if let Some(address) = counted_by.and_then(|address| HeaderValue::try_from(address).ok()) {
        carried.insert(HeaderName::from_static(CLIENT_ADDRESS), address);
    }
    telemetry::inject(&Span::current(), &mut carried);
    // Without a span of ours, the caller's trace context is passed on unchanged.
    if !carried.contains_key(TRACE_PARENT) {
        for (name, value) in telemetry::passed_on(headers) {
            carried.insert(name, value);
        }
    }
    MetadataMap::from_headers(carried)
}

/// Adds the facts about the caller that an RPC with evidence stores.
fn tell_of_client(carried: &mut HeaderMap, headers: &HeaderMap, address: CallerAddress) {
    if let Some(network) = address.network().and_then(|network| HeaderValue::try_from(network).ok()) {
        carried.insert(HeaderName::from_static(CLIENT_NETWORK), network);
    }
    let program = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let program = program.map(|text| text.chars().take(MOST_PROGRAM_CHARS).collect::<String>());
    if let Some(program) = program.and_then(|text| HeaderValue::try_from(text).ok()) {
        carried.insert(HeaderName::from_static(CLIENT_PROGRAM), program);
    }
    if headers.get(PRIVACY_SIGNAL).is_some_and(|value| value.as_bytes() == b"1") {
        carried.insert(HeaderName::from_static(PRIVACY_SIGNAL), HeaderValue::from_static("1"));
    }
}

/// A call that is ready to be made.
pub(super) struct Call<'r> {
    pub(super) route: &'r Route,
    pub(super) channel: Peer,
    pub(super) metadata: MetadataMap,
    pub(super) payload: Bytes,
    pub(super) deadline: Instant,
}

impl Call<'_> {
    /// Makes the call, and waits for the answer.
    pub(super) async fn unary(self) -> Result<DynamicMessage, Status> {
        let (codec, path) = (DynamicCodec(self.route.output.clone()), &self.route.method.path);
        let attempt = |mut client: Grpc<Peer>, request| {
            let (codec, path) = (codec.clone(), path.clone());
            async move {
                client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
                client.unary(request, path, codec).await.map(tonic::Response::into_inner)
            }
        };
        self.with_retries(attempt).await
    }

    /// Makes the call, and waits until the response stream begins.
    pub(super) async fn streaming(self) -> Result<Streaming<DynamicMessage>, Status> {
        let (codec, path) = (DynamicCodec(self.route.output.clone()), &self.route.method.path);
        let attempt = |mut client: Grpc<Peer>, request| {
            let (codec, path) = (codec.clone(), path.clone());
            async move {
                client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
                client.server_streaming(request, path, codec).await.map(tonic::Response::into_inner)
            }
        };
        self.with_retries(attempt).await
    }

    /// Makes the call with further messages, and waits for the answer. There is no retry, because the sent messages are not kept.
    pub(super) async fn upload(
        self,
        further: impl Stream<Item = Sent> + Send + 'static,
    ) -> Result<DynamicMessage, Status> {
        let (codec, path) = (DynamicCodec(self.route.output.clone()), self.route.method.path.clone());
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MOST_BYTES);
        client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let messages = stream::once(ready(Ok(self.payload.clone()))).chain(further);
        client.client_streaming(self.request(messages), path, codec).await.map(tonic::Response::into_inner)
    }

    async fn with_retries<T, F, Fut>(&self, attempt: F) -> Result<T, Status>
    where
        F: Fn(Grpc<Peer>, Request<Sent>) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let retries = if self.may_be_repeated() { RETRIES } else { 0 };
        let mut tried = 0;
        loop {
            let client = Grpc::new(self.channel.clone()).max_decoding_message_size(MOST_BYTES);
            let status = match attempt(client, self.request(Ok(self.payload.clone()))).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let pause =
                Duration::from_millis(rand::random_range(BACKOFF_MS / 2..BACKOFF_MS * 3 / 2) << tried);
            let in_time = Instant::now() + pause < self.deadline;
            if tried >= retries || !in_time || !problem::is_unavailable(&status) {
                return Err(status);
            }
            tried += 1;
            tracing::debug!(rpc = self.route.method.rpc, tried, "the service is unavailable; trying again");
            tokio::time::sleep(pause).await;
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(self.deadline.saturating_duration_since(Instant::now()));
        request
    }

    /// Whether making the call twice is the same as making it once.
    fn may_be_repeated(&self) -> bool {
        let method = self.route.method;
        let keyed = method.key != KeyRule::Ignored && self.metadata.contains_key(IDEMPOTENCY_KEY.as_str());
        keyed || matches!(method.repeat, Repeat::Safe | Repeat::Idempotent)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn only_an_rpc_with_evidence_gets_the_callers_address() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Firefox"));
        headers.insert(PRIVACY_SIGNAL, HeaderValue::from_static("1"));
        // A caller must not choose the values of these headers.
        headers.insert(CLIENT_NETWORK, HeaderValue::from_static("192.0.2.0/24"));
        headers.insert(CLIENT_ADDRESS, HeaderValue::from_static("192.0.2.1"));
        let address = CallerAddress::from(IpAddr::from([203, 0, 113, 77]));
        let told = metadata(&headers, None, None, "r1", Some(address), None).into_headers();
        assert_eq!(told[CLIENT_NETWORK], "203.0.113.0/24");
        assert_eq!(told[CLIENT_PROGRAM], "Firefox");
        assert_eq!(told[PRIVACY_SIGNAL], "1");
        assert!(!told.contains_key(CLIENT_ADDRESS));
        let others = metadata(&headers, None, None, "r1", None, None).into_headers();
        for name in [CLIENT_ADDRESS, CLIENT_NETWORK, CLIENT_PROGRAM, PRIVACY_SIGNAL] {
            assert!(!others.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_service_that_counts_callers_by_address_gets_only_the_address() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Firefox"));
        headers.insert(CLIENT_ADDRESS, HeaderValue::from_static("192.0.2.1"));
        for (from, expected) in [("203.0.113.77", "203.0.113.77"), ("2001:db8:1:2::3", "2001:db8:1:2::")] {
            let address = CallerAddress::from(from.parse::<IpAddr>().expect("an address"));
            let told = metadata(&headers, None, None, "r1", None, Some(address)).into_headers();
            assert_eq!(told[CLIENT_ADDRESS], expected);
            assert!(!told.contains_key(CLIENT_PROGRAM) && !told.contains_key(CLIENT_NETWORK));
        }
    }
}
