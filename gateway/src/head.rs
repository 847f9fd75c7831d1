//! Checks of request heads: it refuses what HTTP forbids but our HTTP library accepts, and limits the size of fields.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri::Scheme};
use levqor_runtime::{error::ErrorCode, port::MOST_HEAD_BYTES};

use crate::problem::Problem;

/// The largest token, including its scheme and the space after it.
const MOST_TOKEN_BYTES: usize = (8 << 10) + "Bearer ".len();
/// The largest size of the fields that are forwarded to services. A larger field is not forwarded. `tracestate`: W3C Trace
/// Context, 3.3.1.5.
const MOST_BYTES: [(HeaderName, usize); 2] =
    [(header::ACCEPT_LANGUAGE, 256), (HeaderName::from_static("tracestate"), 512)];

/// Checks the head of a request, and removes the fields that are too large to forward.
pub(crate) fn check(request: &mut Request) -> Result<(), Problem> {
    let (version, method) = (request.version(), request.method().clone());
    size(request.uri(), request.headers())?;
    transfer_coding(request.headers())?;
    target(request.uri(), &method, version)?;
    host(request.uri(), request.headers(), version)?;
    for (name, most) in &MOST_BYTES {
        let headers = request.headers_mut();
        let length: usize = headers.get_all(name).iter().map(HeaderValue::len).sum();
        if length > *most {
            headers.remove(name);
        }
    }
    Ok(())
}

fn size(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target + headers.iter().map(field).sum::<usize>() > MOST_HEAD_BYTES {
        return Err(too_large("the head of a request may have at most 16 KiB"));
    }
    let tokens = headers.get_all(header::AUTHORIZATION);
    if tokens.iter().any(|value| value.len() > MOST_TOKEN_BYTES) {
        return Err(too_large("a token may have at most 8 KiB"));
    }
    Ok(())
}

fn too_large(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::InvalidArgument, "HEAD_TOO_LARGE", detail)
        .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// RFC 9112, 6.1: the only coding that we know is `chunked`, and it may occur once. The library checks only the last coding, so a
/// proxy before the gateway may have read another body than the library does.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_none() && value.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let codings = || {
        let values = headers.get_all(header::TRANSFER_ENCODING).iter();
        values.flat_map(|value| value.to_str().unwrap_or_default().split(',').map(str::trim))
    };
    let known = codings()
        .all(|coding| ["chunked", "identity", ""].iter().any(|known| coding.eq_ignore_ascii_case(known)));
    let problem = Problem::malformed("the Transfer-Encoding must be chunked, and nothing else");
    Err(if known { problem } else { problem.with_status(StatusCode::NOT_IMPLEMENTED) })
}

/// RFC 9112, 3.2: a target is a path, or an absolute URI with the scheme `http` or `https`.
fn target(uri: &Uri, method: &Method, version: Version) -> Result<(), Problem> {
    let wrong = Err(Problem::malformed("the target of the request is not valid"));
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return wrong;
    }
    if uri.path() == "*" && method != Method::OPTIONS {
        return wrong;
    }
    let only_host = uri.scheme().is_none() && uri.authority().is_some();
    if version < Version::HTTP_2 && only_host && method != Method::CONNECT { wrong } else { Ok(()) }
}

/// RFC 9112, 3.2, and RFC 9113, 8.3.1: the host is named once, and it is valid.
fn host(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    let mut values = headers.get_all(header::HOST).iter();
    let (host, another) = (values.next(), values.next());
    if another.is_some() {
        return Err(Problem::malformed("the Host header is given twice"));
    }
    if host.is_none() && version == Version::HTTP_11 {
        return Err(Problem::malformed("the Host header is missing"));
    }
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = host.map(HeaderValue::as_bytes);
    if host.into_iter().chain(authority).any(|name| !is_host(name)) {
        return Err(Problem::malformed("the host is not valid"));
    }
    // In HTTP/1.1 the host of an absolute URI takes precedence. In HTTP/2 the two must be equal.
    let differ = host.zip(authority).is_some_and(|(host, authority)| !host.eq_ignore_ascii_case(authority));
    if version >= Version::HTTP_2 && differ {
        return Err(Problem::malformed("the Host header is not the :authority"));
    }
    Ok(())
}

/// RFC 3986, 3.2.2: a name, an IPv4 address, or an IPv6 address in brackets, with an optional port. A user is not allowed.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            match &rest[end + 1..] {
                [] => return true,
                [b':', port @ ..] => (&b"v6"[..], Some(port)),
                _ => return false,
            }
        }
        _ => match text.iter().position(|byte| *byte == b':') {
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
            None => (text, None),
        },
    };
    let port = port.is_none_or(|port| {
        let number = std::str::from_utf8(port).unwrap_or("x");
        port.is_empty() || (port.iter().all(u8::is_ascii_digit) && number.parse::<u16>().is_ok())
    });
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte);
    port && !name.is_empty() && name.iter().all(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in
            ["a", "levqor.ai", "levqor.ai:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "a_b", "a:", "xn--a"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b/@c", "u@a", "a:x", "a:70000", "a:-1", "[::1", "[::1]x", "[a]", "a,b", "a/b",
            "a?b", "é", "a:1:2", "a\t",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
