//! The fake as a server: HTTP on a loopback port, on a thread and a runtime of its own, so that it answers whatever the
//! test's own runtime does.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, header},
    response::Response,
};
use chrono::TimeDelta;
use levqor_runtime::{
    clock::Clock,
    testing::{self, spawn},
};
use serde_json::Value;
use tokio::sync::{mpsc::UnboundedReceiver, watch};

use super::{
    api::{self, Answer},
    failure::Failure,
    form,
    trouble::Fault,
    webhooks::{Job, deliver_all},
    world::World,
};

/// More than any form needs.
const MOST_BYTES: usize = 1 << 20;

/// The thread that serves, until this is dropped.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves this world.
    pub(super) fn start(world: Arc<Mutex<World>>, jobs: UnboundedReceiver<Job>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let addr = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(());
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(world, jobs, listener, stopped));
        });
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    world: Arc<Mutex<World>>,
    jobs: UnboundedReceiver<Job>,
    listener: TcpListener,
    mut stop: watch::Receiver<()>,
) {
    let client = levqor_runtime::client::local_http_client().expect("a client");
    drop(spawn(deliver_all(Arc::clone(&world), client, jobs)));
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let router = Router::new().fallback(move |request: Request| respond(Arc::clone(&world), request));
    tokio::select! {
        served = axum::serve(listener, router) => served.expect("the fake serves"),
        _ = stop.changed() => {}
    }
}

async fn respond(world: Arc<Mutex<World>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_BYTES).await else {
        return written(&failed(&Failure::internal()));
    };
    let request = api::Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        params: params(head.uri.query(), &body),
        bearer: credential(&head.headers),
        idempotency_key: text(&head.headers, "idempotency-key"),
        version: text(&head.headers, "stripe-version"),
    };
    let (answer, fault, date_off) = {
        let mut world = world.lock().expect("the world");
        world.requests.push(format!("{} {}", request.method, request.path));
        let fault = world.faults.pop_front().or_else(|| world.trouble.next());
        let answer = match fault {
            Some(Fault::RateLimited) => failed(&Failure::rate_limited()),
            Some(Fault::Internal) => api::keep_failure(&mut world, &request),
            Some(Fault::Slow(_) | Fault::Cut) | None => api::answer(&mut world, &request),
        };
        (answer, fault, world.date_off)
    };
    let mut response = match fault {
        Some(Fault::Slow(delay)) => {
            testing::delay(delay).await;
            written(&answer)
        }
        Some(Fault::Cut) => cut(&answer),
        _ => written(&answer),
    };
    if date_off != 0 {
        let date = Clock::default().now() + TimeDelta::seconds(date_off);
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().insert(header::DATE, date.parse().expect("a header"));
    }
    response
}

/// The query's parameters and the form's, which do not share names.
fn params(query: Option<&str>, body: &Bytes) -> Value {
    form::read(&[query.unwrap_or_default(), &String::from_utf8_lossy(body)].join("&"))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn credential(headers: &HeaderMap) -> String {
    let given = text(headers, "authorization").unwrap_or_default();
    given.strip_prefix("Bearer ").unwrap_or_default().to_owned()
}

fn failed(failure: &Failure) -> Answer {
    Answer {
        status: failure.status,
        body: failure.body(),
        request_id: "req_none".to_owned(),
        replayed: false,
    }
}

fn written(answer: &Answer) -> Response {
    let body = answer.body.to_string();
    head(answer).body(Body::from(body)).expect("a response")
}

/// Half of the announced bytes, and then nothing.
fn cut(answer: &Answer) -> Response {
    let body = answer.body.to_string();
    let half = Ok(Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]));
    let broken = Err(std::io::Error::other("cut"));
    let body = futures_util::stream::iter([half, broken]);
    head(answer).body(Body::from_stream(body)).expect("a response")
}

fn head(answer: &Answer) -> axum::http::response::Builder {
    let mut head = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, "application/json")
        .header("request-id", &answer.request_id);
    if answer.replayed {
        head = head.header("idempotent-replayed", "true");
    }
    head
}
