//! Uploads: the body reaches the service chunk by chunk. The tests cover every way in which an upload can end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Method, StatusCode};
use levqor_runtime::{
    error::{ErrorCode, ServiceError, to_status},
    testing::{eventually, spawn},
};
use prost_reflect::{DynamicMessage, Value};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    harness::{Answer, Mesh, mesh, mesh_with, send},
    upstream::{Reply, Upload},
};

const CHUNK: usize = 64 << 10;
const MEBIBYTE: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the page is full")]
struct Full;

impl ServiceError for Full {
    fn code(&self) -> ErrorCode {
        ErrorCode::FailedPrecondition
    }
    fn reason(&self) -> &'static str {
        "PAGE_FULL"
    }
}

fn chunk() -> Bytes {
    Bytes::from(vec![7; CHUNK])
}

/// Starts an upload with this body in a separate task.
fn post(mesh: &Mesh, body: reqwest::Body) -> tokio::task::JoinHandle<Answer> {
    let request = mesh.request(Method::POST, "/shop/v1/pages/p1:upload?title=a%20b");
    spawn(send(request.header("content-type", "image/png").body(body)))
}

fn streamed(chunks: impl Stream<Item = Bytes> + Send + 'static) -> reqwest::Body {
    use futures_util::StreamExt;
    reqwest::Body::wrap_stream(chunks.map(Ok::<_, Infallible>))
}

/// Starts an upload of this many bytes. Also counts how many of them the client was asked for.
fn post_counted(mesh: &Mesh, length: usize) -> (tokio::task::JoinHandle<Answer>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let chunks = stream::unfold(0, move |sent| {
        let next = (sent < length).then(|| (chunk(), sent + CHUNK));
        counted.fetch_add(next.as_ref().map_or(0, |(chunk, _)| chunk.len()), Ordering::SeqCst);
        std::future::ready(next)
    });
    (post(mesh, streamed(chunks)), asked)
}

/// Waits until the client was asked for no more bytes in this many checks, at least 10 ms apart. Returns how many it was asked
/// for.
async fn held_back(asked: &AtomicUsize, looks: u32) -> usize {
    let (mut before, mut same) = (0, 0);
    let look = || {
        let now = asked.load(Ordering::SeqCst);
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
        std::future::ready((same == looks).then_some(now))
    };
    eventually("the client is held back", look).await
}

/// A body that the test sends chunk by chunk. It ends when the sender is dropped.
fn by_hand() -> (mpsc::UnboundedSender<Bytes>, reqwest::Body) {
    let (chunks, sent) = mpsc::unbounded_channel();
    let body = stream::unfold(sent, |mut sent| async { Some((sent.recv().await?, sent)) });
    (chunks, streamed(body))
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).expect("a field").into_owned()
}

fn data(message: &DynamicMessage) -> usize {
    let file = field(message, "file");
    field(file.as_message().expect("a file"), "data").as_bytes().expect("bytes").len()
}

/// Reads to the end. Returns how many bytes came.
async fn rest(upload: &mut Upload) -> Result<usize, tonic::Status> {
    let mut length = 0;
    while let Some(message) = upload.messages.message().await? {
        length += data(&message);
    }
    Ok(length)
}

#[tokio::test]
async fn an_upload_arrives_chunk_by_chunk_while_it_is_sent() {
    let mesh = mesh().await;
    let (chunks, body) = by_hand();
    let answer = post(&mesh, body);
    let mut upload = mesh.upstream.upload().await;
    let first = upload.messages.message().await.expect("no failure").expect("a message");
    let file = field(&first, "file");
    let content_type = field(file.as_message().expect("a file"), "content_type");
    let [page_id, title] = ["page_id", "title"].map(|name| field(&first, name));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    assert_eq!([&page_id, &title, &content_type].map(text), ["p1", "a b", "image/png"]);
    assert_eq!(data(&first), 0);
    let (mut sent, mut received) = (0, 0);
    while sent < 20 * MEBIBYTE {
        chunks.send(chunk()).expect("it is sent");
        sent += CHUNK;
        // Each part arrives before the next is sent: the gateway does not wait for the whole upload.
        while received < sent {
            let message = upload.messages.message().await.expect("no failure").expect("a message");
            received += data(&message);
        }
    }
    drop(chunks);
    assert!(upload.messages.message().await.expect("no failure").is_none(), "it ends where the body ends");
    let reply = Reply::Messages(vec![json!({"itemId": "i1"})]);
    assert!(upload.answer.send(reply).is_ok());
    let answer = answer.await.expect("no panic");
    assert_eq!((answer.status, &answer.json()["item_id"]), (StatusCode::OK, &json!("i1")), "{}", answer.text);
}

#[tokio::test]
async fn an_upload_goes_no_faster_than_its_service_takes_it() {
    let mesh = mesh().await;
    let (answer, asked) = post_counted(&mesh, 24 * MEBIBYTE);
    let mut upload = mesh.upstream.upload().await;
    // The service reads nothing, so the gateway soon stops to ask the client for more.
    let held = held_back(&asked, 30).await;
    // The operating system holds some megabytes between two sockets.
    assert!(held < 16 * MEBIBYTE, "{held} bytes were taken of a body that nobody wanted yet");
    assert_eq!(rest(&mut upload).await.expect("no failure"), 24 * MEBIBYTE);
    assert!(upload.answer.send(Reply::Messages(vec![json!({})])).is_ok());
    assert_eq!(answer.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn an_upload_of_more_than_25_mib_is_refused_and_its_service_does_not_take_it_for_whole() {
    let mesh = mesh().await;
    let refused = |answer: Answer| {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
        assert_eq!(answer.json()["detail"], "this body may have at most 25 MiB");
    };
    let unannounced = streamed(stream::iter((0..26 * MEBIBYTE / CHUNK).map(|_| chunk())));
    let answer = post(&mesh, unannounced);
    let mut upload = mesh.upstream.upload().await;
    rest(&mut upload).await.expect_err("it is interrupted");
    refused(answer.await.expect("no panic"));
    // If the head already announces a body that is too long, the service is not called.
    refused(post(&mesh, reqwest::Body::from(vec![0; 26 * MEBIBYTE])).await.expect("no panic"));
}

#[tokio::test]
async fn a_service_may_refuse_an_upload_before_and_in_the_middle_of_it() {
    let mesh = mesh().await;
    for wanted in [0, 4 * MEBIBYTE] {
        let answer = post(&mesh, streamed(stream::iter((0..6 * MEBIBYTE / CHUNK).map(|_| chunk()))));
        let mut upload = mesh.upstream.upload().await;
        let mut received = 0;
        while received < wanted {
            received += data(&upload.messages.message().await.expect("no failure").expect("a message"));
        }
        assert!(upload.answer.send(Reply::Broken(Vec::new(), to_status("shop", &Full))).is_ok());
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["reason"], "PAGE_FULL");
    }
}

#[tokio::test]
async fn an_upload_whose_client_breaks_off_is_not_taken_for_whole() {
    let mesh = mesh().await;
    let (chunks, body) = by_hand();
    let answer = post(&mesh, body);
    let mut upload = mesh.upstream.upload().await;
    chunks.send(chunk()).expect("it is sent");
    let mut received = 0;
    while received < CHUNK {
        received += data(&upload.messages.message().await.expect("no failure").expect("a message"));
    }
    answer.abort();
    assert!(rest(&mut upload).await.is_err());
}

#[tokio::test]
async fn an_upload_that_stalls_is_408_and_its_service_does_not_take_it_for_whole() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = Duration::from_millis(500);
        config.bodies.grace = Duration::from_millis(500);
    })
    .await;
    let (chunks, body) = by_hand();
    let answer = post(&mesh, body);
    let mut upload = mesh.upstream.upload().await;
    chunks.send(chunk()).expect("it is sent");
    rest(&mut upload).await.expect_err("it is interrupted");
    let answer = answer.await.expect("no panic");
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (StatusCode::REQUEST_TIMEOUT, &json!("BODY_TOO_SLOW"))
    );
}

#[tokio::test]
async fn an_upload_that_waits_for_its_service_is_not_slow() {
    let mesh = mesh_with(|config| {
        config.bodies.prompt = Duration::from_millis(100);
        config.bodies.grace = Duration::from_secs(1);
    })
    .await;
    let (answer, asked) = post_counted(&mesh, 20 * MEBIBYTE);
    let mut upload = mesh.upstream.upload().await;
    held_back(&asked, 120).await;
    assert_eq!(rest(&mut upload).await.expect("no failure"), 20 * MEBIBYTE);
    assert!(upload.answer.send(Reply::Messages(vec![json!({})])).is_ok());
    assert_eq!(answer.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn the_parameters_of_an_upload_are_checked_as_those_of_any_request() {
    let mesh = mesh().await;
    for (query, field) in [("?nonsense=1", "nonsense"), ("?file.content_type=a", "file.content_type")] {
        let request = mesh.request(Method::POST, &format!("/shop/v1/pages/p1:upload{query}"));
        let answer = send(request.body(vec![0; 2 * MEBIBYTE])).await;
        assert_eq!(answer.fields(), [field], "{}", answer.text);
    }
}

#[tokio::test]
async fn a_message_of_a_conversation_has_at_most_64_kib() {
    let mesh = mesh().await;
    let ask = |size: usize| {
        let body = json!({"question": "a".repeat(size)}).to_string();
        let mesh = &mesh;
        async move { mesh.post("/shop/v1/questions", &body).await }
    };
    assert_eq!(ask(60 << 10).await.status, StatusCode::OK);
    let answer = ask(64 << 10).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["detail"], "this body may have at most 64 KiB");
}
