//! Bodies in every framing that HTTP has: the framing never decides what a request means.

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, StatusCode, Version};
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{body::Body, transport::Channel};

use crate::harness::{Mesh, mesh};

/// How a body goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// No header mentions a body.
    NoHeader,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Transfer-Encoding: chunked`, after `Expect: 100-continue`.
    Expected,
    /// HTTP/2; if the body is empty, the head ends the stream.
    Http2,
    /// HTTP/2; the body ends in a frame of its own.
    Http2Streamed,
}

const ALL: [Framing; 6] = [
    Framing::NoHeader,
    Framing::Length,
    Framing::Chunked,
    Framing::Expected,
    Framing::Http2,
    Framing::Http2Streamed,
];

const TYPES: [Option<&str>; 5] = [
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("text/plain"),
    Some("application/octet-stream"),
];

/// A caller that sends one request in any framing.
struct Sender<'m> {
    mesh: &'m Mesh,
    http2: Channel,
}

impl<'m> Sender<'m> {
    async fn new(mesh: &'m Mesh) -> Self {
        let endpoint = tonic::transport::Endpoint::from_shared(mesh.url.clone()).expect("a URL");
        Self { mesh, http2: endpoint.connect().await.expect("an HTTP/2 connection") }
    }

    async fn send(&self, framing: Framing, method: &str, path: &str, kind: Option<&str>, body: &str) -> u16 {
        match framing {
            Framing::Http2 | Framing::Http2Streamed => {
                self.send_http2(framing, method, path, kind, body).await
            }
            _ => self.send_http1(framing, method, path, kind, body).await,
        }
    }

    async fn send_http1(
        &self,
        framing: Framing,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: &str,
    ) -> u16 {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        if let Some(kind) = kind {
            head.extend(["content-type: ", kind, "\r\n"]);
        }
        if framing == Framing::Expected {
            head += "expect: 100-continue\r\n";
        }
        let body = match framing {
            Framing::NoHeader => String::new(),
            Framing::Length => {
                head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
                body.to_owned()
            }
            _ => {
                head += "transfer-encoding: chunked\r\n";
                let chunk =
                    if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
                chunk + "0\r\n\r\n"
            }
        };
        let mut stream = TcpStream::connect(self.mesh.gateway.addr()).await.expect("a connection");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        // `100 Continue` precedes the answer.
        let last = answer.rsplit("HTTP/1.1 ").next();
        last.and_then(|part| part.split(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no status: {answer}"))
    }

    async fn send_http2(
        &self,
        framing: Framing,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: &str,
    ) -> u16 {
        let frames: Vec<_> = if body.is_empty() {
            Vec::new()
        } else {
            vec![Ok::<_, tonic::Status>(http_body::Frame::data(Bytes::from(body.to_owned())))]
        };
        let body = if framing == Framing::Http2 && frames.is_empty() {
            Body::empty()
        } else {
            Body::new(StreamBody::new(stream::iter(frames)))
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.mesh.url));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let mut channel = self.http2.clone();
        tower::ServiceExt::ready(&mut channel).await.expect("ready");
        let request = request.body(body).expect("a request");
        let answer = tower::Service::call(&mut channel, request).await.expect("an answer");
        assert_eq!(answer.version(), Version::HTTP_2);
        answer.status().as_u16()
    }
}

#[tokio::test]
async fn an_empty_body_is_empty_in_every_framing_and_of_every_type() {
    let mesh = mesh().await;
    let sender = Sender::new(&mesh).await;
    for (method, path) in [
        (Method::POST, "/shop/v1/orders/o1:cancel"),
        (Method::PATCH, "/shop/v1/orders/o1"),
        (Method::PUT, "/shop/v1/orders/o1/labels"),
        (Method::DELETE, "/shop/v1/orders/o1"),
        (Method::GET, "/shop/v1/items/i1"),
        (Method::GET, "/v1/status"),
        (Method::GET, "/health/live"),
    ] {
        for framing in ALL {
            for kind in TYPES {
                let status = sender.send(framing, method.as_str(), path, kind, "").await;
                assert_eq!(status, StatusCode::OK, "{method} {path} {framing:?} {kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_means_the_same_in_every_framing() {
    let mesh = mesh().await;
    let sender = Sender::new(&mesh).await;
    let json = Some("application/json");
    for (method, path, kind, body, expected) in [
        ("POST", "/shop/v1/orders/o1:cancel", json, "{}", StatusCode::OK),
        // White space is neither JSON nor an empty body.
        ("POST", "/shop/v1/orders/o1:cancel", json, " ", StatusCode::BAD_REQUEST),
        ("POST", "/shop/v1/orders/o1:cancel", json, "\r\n\r\n", StatusCode::BAD_REQUEST),
        ("POST", "/shop/v1/orders/o1:cancel", None, " ", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", "/shop/v1/orders/o1:cancel", None, "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("POST", "/shop/v1/orders/o1:cancel", Some("text/plain"), "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("DELETE", "/shop/v1/orders/o1", json, "{}", StatusCode::BAD_REQUEST),
        ("DELETE", "/shop/v1/orders/o1", None, " ", StatusCode::BAD_REQUEST),
        ("GET", "/shop/v1/items/i1", json, "{}", StatusCode::BAD_REQUEST),
    ] {
        for framing in ALL.into_iter().filter(|framing| *framing != Framing::NoHeader) {
            let status = sender.send(framing, method, path, kind, body).await;
            assert_eq!(status, expected, "{method} {path} {framing:?} {kind:?} {body:?}");
        }
    }
}
