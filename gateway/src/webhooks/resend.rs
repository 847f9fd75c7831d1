//! Resend's events, which notifications verifies and stores.

use bytes::Bytes;
use http::HeaderMap;
use levqor_proto::notifications::v1::{IngestResendEventRequest, IngestResendEventResponse};
use levqor_runtime::webhook::SignatureHeaders;

use super::{Accepted, Vendor, header};

pub(super) struct Resend;

fn headers_of(headers: &HeaderMap) -> [&str; 3] {
    ["svix-id", "svix-timestamp", "svix-signature"].map(|name| header(headers, name))
}

impl Vendor for Resend {
    const NAME: &'static str = "resend";
    const SERVICE: &'static str = "notifications";
    type Request = IngestResendEventRequest;
    type Response = IngestResendEventResponse;

    fn signature(headers: &HeaderMap) -> SignatureHeaders<'_> {
        let [id, timestamp, signatures] = headers_of(headers);
        SignatureHeaders::Standard { id, timestamp, signatures }
    }

    fn request(headers: &HeaderMap, body: Bytes) -> IngestResendEventRequest {
        let [svix_id, svix_timestamp, svix_signature] = headers_of(headers).map(str::to_owned);
        IngestResendEventRequest { body, svix_id, svix_timestamp, svix_signature }
    }

    fn accepted(response: IngestResendEventResponse) -> Accepted {
        let state = response.state().as_str_name();
        Accepted::new(response.event_id, response.duplicate, state)
    }
}
