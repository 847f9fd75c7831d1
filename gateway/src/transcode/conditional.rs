//! Conditional requests (RFC 9110, 13): what everybody may read has a strong entity tag, and a client that has the current bytes
//! is answered 304 without them.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use levqor_runtime::{
    access::{Access, Repeat},
    http::entity_tag,
};

use super::route::Route;
use crate::problem::Problem;

/// A cache may keep the response, and asks each time whether it is the current one.
const KEEP_AND_ASK: HeaderValue = HeaderValue::from_static("public, no-cache");

/// Whether a route's responses have tags: a read that shows everybody the same. A request with a field may hold the token of a link,
/// which shows one person's data: no cache may keep that.
pub(super) fn applies(method: &Method, route: &Route) -> bool {
    let shows_all_the_same = route.method.descriptor.input().fields().len() == 0;
    method == Method::GET
        && route.method.access == Access::Public
        && route.method.repeat == Repeat::Safe
        && shows_all_the_same
}

/// Adds the tag, or answers that the client has the current bytes.
pub(crate) async fn answer(asked: &HeaderMap, response: Response) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return Err(Problem::internal()) };
    let tag = entity_tag(&bytes);
    let Ok(value) = HeaderValue::from_str(&tag) else { return Err(Problem::internal()) };
    parts.headers.insert(header::ETAG, value);
    parts.headers.insert(header::CACHE_CONTROL, KEEP_AND_ASK);
    if is_known(asked, &tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Whether `If-None-Match` names the tag, or any. The comparison is weak (RFC 9110, 13.1.2).
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let named = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = named.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_however_it_is_listed() {
        let tag = entity_tag(b"{}");
        for (asked, known) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"other\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let value = HeaderValue::from_str(&asked).expect("a header");
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]);
            assert_eq!(is_known(&headers, &tag), known, "{asked}");
        }
        assert!(!is_known(&HeaderMap::new(), &tag));
        assert_ne!(entity_tag(b"{}"), entity_tag(b"{ }"));
    }
}
