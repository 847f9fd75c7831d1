//! Answers that are no JSON: the bytes of a `google.api.HttpBody`, under the type that they say they are.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use prost_reflect::{DynamicMessage, Value};

/// What a page may do that a service wrote: be looked at. No scripts, no forms, no frames of ours around it.
const HTML_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:";

/// The type and the bytes of a `google.api.HttpBody`.
pub(super) fn parts(mut message: DynamicMessage) -> (HeaderValue, Bytes) {
    let content_type = match message.take_field_by_name("content_type") {
        Some(Value::String(text)) => HeaderValue::try_from(text).ok(),
        _ => None,
    };
    let data = match message.take_field_by_name("data") {
        Some(Value::Bytes(data)) => data,
        _ => Bytes::new(),
    };
    let content_type = content_type.filter(|value| !value.is_empty());
    (content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")), data)
}

/// The answer with these bytes.
pub(super) fn response(content_type: HeaderValue, body: Body) -> Response {
    let html = content_type
        .to_str()
        .is_ok_and(|text| text.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if html {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(HTML_POLICY));
    }
    response
}
