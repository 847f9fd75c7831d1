//! Stripe's events, which billing verifies and stores.

use bytes::Bytes;
use http::HeaderMap;
use levqor_proto::billing::v1::{IngestStripeEventRequest, IngestStripeEventResponse};
use levqor_runtime::webhook::SignatureHeaders;

use super::{Accepted, Vendor, header};

pub(super) struct Stripe;

impl Vendor for Stripe {
    const NAME: &'static str = "stripe";
    const SERVICE: &'static str = "billing";
    type Request = IngestStripeEventRequest;
    type Response = IngestStripeEventResponse;

    fn signature(headers: &HeaderMap) -> SignatureHeaders<'_> {
        SignatureHeaders::Timestamped(header(headers, "stripe-signature"))
    }

    fn request(headers: &HeaderMap, body: Bytes) -> IngestStripeEventRequest {
        IngestStripeEventRequest { body, signature: header(headers, "stripe-signature").to_owned() }
    }

    fn accepted(response: IngestStripeEventResponse) -> Accepted {
        let state = response.state().as_str_name();
        Accepted::new(response.event_id, response.duplicate, state)
    }
}
