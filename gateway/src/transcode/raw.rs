//! Responses that are not JSON: the bytes of a `google.api.HttpBody`, with its content type, and with the status and file name
//! from its extensions.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use levqor_proto::r#type::v1::HttpBodyHead;
use prost_reflect::{DynamicMessage, Value};
use prost_types::Any;

use super::route::Route;
use crate::page;

/// The policy for HTML from a service. Browsers show it without scripts and forms, and as a page of a foreign origin.
const HTML_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:";

/// How the response with a `google.api.HttpBody` begins.
pub(super) struct Head {
    content_type: HeaderValue,
    said: HttpBodyHead,
}

/// The beginning and the bytes of a `google.api.HttpBody`.
pub(super) fn parts(mut message: DynamicMessage) -> (Head, Bytes) {
    let said = said(&message);
    let content_type = match message.take_field_by_name("content_type") {
        Some(Value::String(text)) => HeaderValue::try_from(text).ok(),
        _ => None,
    };
    let data = match message.take_field_by_name("data") {
        Some(Value::Bytes(data)) => data,
        _ => Bytes::new(),
    };
    let content_type = content_type.filter(|value| !value.is_empty());
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    (Head { content_type, said }, data)
}

/// The facts in the extensions of a `google.api.HttpBody`.
fn said(message: &DynamicMessage) -> HttpBodyHead {
    let extensions = message.get_field_by_name("extensions");
    let extensions = extensions.as_deref().and_then(Value::as_list).unwrap_or_default();
    let mut read = extensions.iter().filter_map(Value::as_message).filter_map(|any| {
        let any: Any = any.transcode_to().ok()?;
        any.to_msg().ok()
    });
    read.next().unwrap_or_default()
}

/// The response with these bytes. HTML of an RPC that is a page is one of our pages.
pub(super) fn response(route: &Route, head: Head, body: Body) -> Response {
    let Head { content_type, said } = head;
    let html = content_type
        .to_str()
        .is_ok_and(|text| text.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let mut response = if html && route.method.page {
        page::response(body)
    } else {
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if html {
            let policy = HeaderValue::from_static(HTML_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    };
    if let Some(status) = status(&said) {
        *response.status_mut() = status;
    }
    if let Some(disposition) = disposition(&said) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// The status that the service chose, if it is a 4xx. A service reports any other failure as an error of the call.
fn status(said: &HttpBodyHead) -> Option<StatusCode> {
    let status = StatusCode::from_u16(u16::try_from(said.status).ok()?).ok()?;
    status.is_client_error().then_some(status)
}

/// Tells a browser to store the bytes as a file of this name. A name with other characters could end the header's value early.
fn disposition(said: &HttpBodyHead) -> Option<HeaderValue> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let name = Some(&said.file_name).filter(|name| !name.is_empty() && name.bytes().all(is_plain))?;
    HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_chooses_only_statuses_of_callers_mistakes_and_plain_file_names() {
        for (number, chosen) in
            [(0, false), (200, false), (400, true), (422, true), (500, false), (-1, false)]
        {
            let said = HttpBodyHead { status: number, file_name: String::new() };
            assert_eq!(status(&said).is_some(), chosen, "{number}");
        }
        for (name, header) in [
            ("a-1_b.zip", Some("attachment; filename=\"a-1_b.zip\"")),
            ("", None),
            ("a b.zip", None),
            ("a\".zip", None),
            ("a\r\nx: y", None),
            ("../a", None),
        ] {
            let said = HttpBodyHead { status: 0, file_name: name.to_owned() };
            assert_eq!(disposition(&said).as_ref().and_then(|value| value.to_str().ok()), header, "{name:?}");
        }
    }
}
