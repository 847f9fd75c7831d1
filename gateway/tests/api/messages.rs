//! Messages that HTTP forbids, as bytes, because two servers could read two different messages in them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::mesh;

const LIVE: &str = "GET /health/live HTTP/1.1\r\n";
const POST: &str = "POST /shop/v1/orders HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";

/// Everything that the gateway sends until it closes the connection. It must close it soon.
async fn answers(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    // If the gateway did not read everything that was sent, the connection is reset. That is an end too.
    assert!(end.is_ok(), "it was not closed after {answer:?}");
    answer
}

/// The statuses of all answers.
async fn statuses(addr: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let answer = answers(addr, bytes).await;
    let lines = answer.split("HTTP/1.").skip(1);
    lines.map(|line| line[2..5].parse().expect("a status")).collect()
}

#[tokio::test]
async fn a_message_that_http_forbids_is_refused_and_nothing_after_it_is_understood() {
    let mesh = mesh().await;
    let chunked = "transfer-encoding: chunked\r\n";
    for wrong in [
        // The host (RFC 9112, 3.2).
        format!("{LIVE}\r\n"),
        format!("{LIVE}host: a\r\nhost: a\r\n\r\n"),
        format!("{LIVE}host: a\r\nHost: b\r\n\r\n"),
        format!("{LIVE}host: a b/@c\r\n\r\n"),
        format!("{LIVE}host: user@a\r\n\r\n"),
        format!("{LIVE}host: a, b\r\n\r\n"),
        format!("{LIVE}host: a:port\r\n\r\n"),
        format!("{LIVE}host: a:70000\r\n\r\n"),
        format!("{LIVE}host: [::1\r\n\r\n"),
        format!("{LIVE}host:\r\n\r\n"),
        "GET /health/live HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
        "GET http://user@a/health/live HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        // A lone CR (2.2).
        format!("{LIVE}host: a\r\nx: a\rb\r\n\r\n"),
        format!("{LIVE}host: a\rx: b\r\n\r\n"),
        format!("{LIVE}host: a\r\r\n\r\n"),
        format!("{LIVE}host: a\r\n\r\r\n"),
        format!("\r{LIVE}host: a\r\n\r\n"),
        "GET /health/live HTTP/1.1\rhost: a\r\n\r\n".to_owned(),
        // Fields (5).
        format!("{LIVE}host: a\r\nx: b\r\n c\r\n\r\n"),
        format!("{LIVE}host : a\r\n\r\n"),
        format!("{LIVE} host: a\r\n\r\n"),
        format!("{LIVE}host: a\r\nno colon\r\n\r\n"),
        format!("{LIVE}host: a\r\nx: a\0b\r\n\r\n"),
        // The length of the body (6).
        format!("{POST}{chunked}content-length: 2\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{POST}content-length: 2\r\n{chunked}\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{POST}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        format!("{POST}content-length: +2\r\n\r\n{{}}"),
        format!("{POST}content-length: 2, 2\r\n\r\n{{}}"),
        format!("{POST}transfer-encoding: identity, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{POST}transfer-encoding: identity\r\n{chunked}\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{POST}transfer-encoding: chunked, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{POST}transfer-encoding: chunked, identity\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        POST.replace("1.1", "1.0") + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n",
        // The target (3.2).
        "GET health/live HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET health HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET /health/live#part HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET /health /live HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET ftp://a/health/live HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
    ] {
        // The second request is the one that a smuggler wants to have answered.
        let bytes = format!("{wrong}{LIVE}host: a\r\n\r\n");
        assert_eq!(statuses(mesh.gateway.addr(), bytes.as_bytes()).await, [400], "{wrong:?}");
    }
    let unknown = format!("{POST}transfer-encoding: gzip, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    assert_eq!(statuses(mesh.gateway.addr(), unknown.as_bytes()).await, [501]);
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn a_chunk_that_two_servers_would_read_differently_ends_the_connection() {
    let mesh = mesh().await;
    for chunks in [
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}x\r\n0\r\n\r\n",
        "2;a\rb\r\n{}\r\n0\r\n\r\n",
    ] {
        let bytes = format!("{POST}transfer-encoding: chunked\r\n\r\n{chunks}{LIVE}host: a\r\n\r\n");
        assert_eq!(statuses(mesh.gateway.addr(), bytes.as_bytes()).await, [400], "{chunks:?}");
    }
    assert_eq!(mesh.upstream.count(), 0);
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_after_the_other() {
    let mesh = mesh().await;
    let last = format!("{LIVE}host: a\r\nconnection: close\r\n\r\n");
    for right in [
        format!("{LIVE}host: levqor.ai:8080\r\n\r\n"),
        format!("{LIVE}host: [::1]:80\r\n\r\n"),
        // The host of a whole target takes precedence (RFC 9112, 3.2.2).
        "GET http://b/health/live HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        format!("\r\n{LIVE}host: a\r\n\r\n"),
        // A line may end with LF alone (2.2).
        "GET /health/live HTTP/1.1\nhost: a\n\n".to_owned(),
        format!("{POST}content-length: 2\r\n\r\n{{}}"),
        format!("{POST}Transfer-Encoding: Chunked\r\n\r\n1;x=\"y\"\r\n{{\r\n1 \r\n}}\r\n0\r\nx: y\r\n\r\n"),
    ] {
        let got = statuses(mesh.gateway.addr(), format!("{right}{last}").as_bytes()).await;
        assert_eq!(got, [200, 200], "{right:?}");
    }
    let bytes = b"GET /health/live HTTP/1.0\r\n\r\n";
    assert!(answers(mesh.gateway.addr(), bytes).await.contains(" 200 "));
}

#[tokio::test]
async fn in_http_2_a_host_that_is_another_than_the_authority_is_refused() {
    let mesh = mesh().await;
    let channel = tonic::transport::Endpoint::from_shared(mesh.url.clone()).expect("a URL");
    let mut channel = channel.connect().await.expect("an HTTP/2 connection");
    let authority = mesh.gateway.addr().to_string();
    for (hosts, status) in [
        (&[][..], 200),
        (&[authority.as_str()], 200),
        (&["other.example"], 400),
        (&[authority.as_str(), authority.as_str()], 400),
        (&["a b/@c"], 400),
    ] {
        let mut request = http::Request::get(format!("{}/health/live", mesh.url));
        for host in hosts {
            request = request.header("host", *host);
        }
        tower::ServiceExt::ready(&mut channel).await.expect("ready");
        let request = request.body(tonic::body::Body::empty()).expect("a request");
        let answer = tower::Service::call(&mut channel, request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{hosts:?}");
    }
}
