//! A problem as a response: JSON with the ids by which it can be found in logs and traces, and the headers of the response.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Ids, Problem};
use crate::page;

/// Where the types of problems are documented.
const TYPES: &str = "https://levqor.ai/problems/";
/// A problem on the wire.
#[derive(Serialize)]
struct Wire<'a> {
    r#type: Cow<'a, str>,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    request_id: &'a str,
}

/// One thing that is wrong with the request.
#[derive(Serialize)]
struct FieldError<'a> {
    field: &'a str,
    description: &'a str,
}

impl Problem {
    /// The problem as JSON.
    #[must_use]
    pub(crate) fn to_json(&self, ids: &Ids) -> Vec<u8> {
        let named = !self.0.reason.is_empty()
            && self.0.reason.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let wire = Wire {
            r#type: if named {
                Cow::Owned(format!("{TYPES}{}", self.0.reason.to_ascii_lowercase().replace('_', "-")))
            } else {
                Cow::Borrowed("about:blank")
            },
            title: self.0.status.canonical_reason().unwrap_or("Error"),
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            code: self.0.code.as_str(),
            reason: if named { &self.0.reason } else { "" },
            errors: self
                .0
                .violations
                .iter()
                .map(|violation| FieldError { field: &violation.field, description: &violation.description })
                .collect(),
            retry_after_s: self.0.retry_after.map(whole_seconds),
            trace_id: ids.trace_id.as_deref(),
            request_id: &ids.request_id,
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// The whole answer.
    #[must_use]
    pub(crate) fn render(&self, ids: &Ids) -> Response {
        let mut response = if self.0.as_page {
            let title = self.0.status.canonical_reason().unwrap_or("Error");
            page::response(Body::from(page::error_page(title, &self.0.detail, &ids.request_id)))
        } else {
            let mut response = Response::new(Body::from(self.to_json(ids)));
            let json = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        };
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        if let Some(after) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if let Some(allow) = &self.0.allow {
            headers.insert(header::ALLOW, allow.clone());
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An empty response that carries the problem. `pipeline.rs` renders it, because only the pipeline knows the ids.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Full seconds, at least one: 0 would mean "at once".
fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}
