//! A fake Sentry server. It keeps the events that it receives, and refuses them if a test says so.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use levqor_runtime::testing::spawn;
use serde_json::{Value, json};

#[derive(Default)]
struct Kept {
    events: Vec<Value>,
    refusal: Option<u16>,
}

/// The fake Sentry server.
pub(crate) struct Sink {
    addr: std::net::SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let kept = Arc::<Mutex<Kept>>::default();
        let app = Router::new().route("/api/42/envelope/", post(take)).with_state(Arc::clone(&kept));
        spawn(async move { axum::serve(listener, app).await });
        Self { addr, kept }
    }

    pub(crate) fn dsn(&self) -> String {
        format!("http://public@{}/42", self.addr)
    }

    pub(crate) fn refuse(&self, status: Option<u16>) {
        self.kept.lock().expect("kept").refusal = status;
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.kept.lock().expect("kept").events.clone()
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> Response {
    let mut kept = kept.lock().expect("kept");
    let lines: Vec<Value> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON lines"))
        .collect();
    let [header, item, event] = lines.as_slice() else { panic!("{lines:?}") };
    let id = |of: &Value| of["event_id"].as_str().map(|id| id.replace('-', ""));
    assert_eq!((&item["type"], id(header)), (&json!("event"), id(event)));
    kept.events.push(event.clone());
    match kept.refusal {
        Some(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        None => Json(json!({"id": event["event_id"]})).into_response(),
    }
}
