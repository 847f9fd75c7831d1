//! A mistake of a caller gets an error that says so, and never counts as our error.

use levqor_proto::notifications::v1::ListMessagesRequest;
use levqor_runtime::{
    metrics::{self, Format},
    testing::{Caller, Log, TestService},
};
use tonic::{Code, metadata::MetadataValue};
use tonic_types::StatusExt;

use crate::probe::{self, Probe, client, mail, send};

#[tokio::test]
async fn a_text_that_no_table_can_store_is_refused_with_the_name_of_its_field() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let service = probe::start().await;
    let refused = mail(&service).send_message(send("a\0b", "k1")).await.expect_err("a NUL");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let details = refused.get_error_details();
    let fields = &details.bad_request().expect("fields").field_violations;
    assert_eq!(fields.len(), 1, "{fields:?}");
    assert!(fields[0].description.contains("NUL"), "{fields:?}");
    service.stop().await;
    assert!(!log.text().contains("ERROR"), "{}", log.text());
}

#[tokio::test]
async fn two_values_of_a_header_that_allows_one_are_refused() {
    let service = probe::start().await;
    let good = Caller::staff().request(ListMessagesRequest::default());
    let token = good.metadata().get("authorization").expect("a token").clone();
    let other: MetadataValue<_> = "Bearer x".parse().expect("a header");
    for values in [[&token, &token], [&token, &other], [&other, &token]] {
        let mut request = Caller::anonymous().request(ListMessagesRequest::default());
        for value in values {
            request.metadata_mut().append("authorization", value.clone());
        }
        let refused = client(&service).list_messages(request).await.expect_err("two tokens");
        assert_eq!(refused.code(), Code::Unauthenticated, "{values:?}");
    }
    let mut request = send("a", "k1");
    request.metadata_mut().append("idempotency-key", "k2".parse().expect("a header"));
    let refused = mail(&service).send_message(request).await.expect_err("two keys");
    assert_eq!(refused.code(), Code::InvalidArgument);
    service.stop().await;
}

/// A client that uses HTTP/2 without an upgrade, as gRPC does.
#[expect(clippy::disallowed_methods, reason = "a client that does what no client of ours does")]
fn raw() -> reqwest::Client {
    levqor_runtime::install_crypto();
    reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().expect("a client")
}

/// The error code of a call with this body; none where it is accepted.
async fn post(service: &TestService<Probe>, body: &'static [u8]) -> Option<Code> {
    let path = "levqor.notifications.v1.NotificationsService/ListMessages";
    let post = raw().post(format!("http://{}/{path}", service.running.addr));
    let post = post.header("authorization", Caller::staff().authorization().expect("a token"));
    let answer = post.header("content-type", "application/grpc").header("te", "trailers").body(body).send();
    let answer = answer.await.expect("an answer");
    // A refusal has no message; its code is in the headers.
    answer.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_the_callers_mistake() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let service = probe::start().await;
    for (what, body) in [
        ("no message", &b""[..]),
        ("half a frame", &b"\0\0"[..]),
        ("less than the frame says", &b"\0\0\0\0\x09abc"[..]),
        ("an unknown compression", &b"\x07\0\0\0\0"[..]),
        ("compressed without saying how", &b"\x01\0\0\0\0"[..]),
        ("no protobuf", &b"\0\0\0\0\x02\xff\xff"[..]),
        ("text that is no UTF-8", &b"\0\0\0\0\x04\x0a\x02\xff\xfe"[..]),
        ("more than is taken", &b"\0\x7f\0\0\0abc"[..]),
    ] {
        let code = post(&service, body).await;
        assert_eq!(code, Some(Code::InvalidArgument), "{what}");
    }
    assert_eq!(post(&service, b"\0\0\0\0\0").await, None, "a good one");
    service.stop().await;
    assert!(!log.text().contains("ERROR"), "{}", log.text());
}

#[tokio::test]
async fn refused_callers_are_counted_by_reason_and_logged_in_one_line() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let service = probe::start().await;
    let customer = Caller::customer("alice", "alice@example.com");
    for _ in 0..20 {
        let request = Caller::anonymous().request(ListMessagesRequest::default());
        client(&service).list_messages(request).await.expect_err("nobody");
        let request = customer.clone().request(ListMessagesRequest::default());
        client(&service).list_messages(request).await.expect_err("a customer");
    }
    let page = metrics::render(&[service.running.chassis().metrics.clone()], Format::accepted("text/plain"));
    for reason in ["TOKEN_MISSING", "ROLE_TOO_LOW"] {
        let line = page.lines().find(|line| line.contains("access_refusals") && line.contains(reason));
        assert!(line.is_some_and(|line| line.ends_with(" 20")), "{line:?}");
        let text = log.text();
        let lines =
            text.lines().filter(|line| line.contains("callers were refused") && line.contains(reason));
        assert_eq!(lines.count(), 1, "{text}");
    }
    service.stop().await;
}

/// Whether a service answers a reflection request.
async fn reflects(service: &TestService<Probe>) -> bool {
    let mut client =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(service.channel());
    let ask = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    client.server_reflection_info(tokio_stream::iter([ask])).await.is_ok()
}

#[tokio::test]
async fn reflection_is_on_on_loopback_or_if_it_is_set() {
    for (listen, set, expected) in [
        ("127.0.0.1:0", None, true),
        ("127.0.0.1:0", Some("false"), false),
        ("0.0.0.0:0", None, false),
        ("0.0.0.0:0", Some("true"), true),
    ] {
        let mut settings = vec![("LEVQOR_GRPC_ADDR", listen), ("LEVQOR_MESH_TLS", "off")];
        settings.extend(set.map(|set| ("LEVQOR_GRPC_REFLECTION", set)));
        let service = probe::start_with(&settings).await;
        assert_eq!(reflects(&service).await, expected, "{listen} {set:?}");
        service.stop().await;
    }
}
