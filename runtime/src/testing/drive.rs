//! A fake Google Drive that keeps files in memory. It has the calls of the API (version 3) that opendal's client makes, and
//! tokens that expire.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

const FOLDER: &str = "application/vnd.google-apps.folder";
/// The form of a request for a token, with the values of `settings`.
const GRANT: &str =
    "refresh_token=1%2F%2Frefresh&client_id=client&client_secret=hush&grant_type=refresh_token";

/// A file or a folder.
#[derive(Debug, Clone)]
struct File {
    name: String,
    parent: String,
    is_folder: bool,
    content: Bytes,
}

#[derive(Debug, Default)]
struct World {
    files: HashMap<String, File>,
    made: usize,
    tokens: usize,
    calls: usize,
    lives_briefly: bool,
    is_down: bool,
}

type Shared = Arc<Mutex<World>>;

/// The server, running on a thread of its own.
pub struct FakeDrive {
    base: String,
    world: Shared,
    _stop: DropGuard,
}

impl FakeDrive {
    /// Starts it on a free port, empty.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (world, stop) = (Shared::default(), CancellationToken::new());
        let (served, stopped) = (Arc::clone(&world), stop.clone());
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = axum::serve(listener, routes(served)) => served.expect("it serves"),
                    () = stopped.cancelled() => {}
                }
            });
        });
        Self { base, world, _stop: stop.drop_guard() }
    }

    /// The settings that lead to it.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, &str); 4] {
        settings(&self.base)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the world")
    }

    /// The names of all files and folders.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.world().files.values().map(|file| file.name.clone()).collect();
        names.sort();
        names
    }

    /// Makes a folder at the top, as its owner does.
    pub fn make_folder(&self, name: &str) {
        let folder =
            File { name: name.to_owned(), parent: "root".to_owned(), is_folder: true, content: Bytes::new() };
        self.world().add(folder);
    }

    /// How many tokens it has given.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.world().tokens
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.world().calls
    }

    /// Whether its next tokens live for a second only.
    pub fn set_lives_briefly(&self, lives_briefly: bool) {
        self.world().lives_briefly = lives_briefly;
    }

    /// Whether it answers everything with an error.
    pub fn set_down(&self, is_down: bool) {
        self.world().is_down = is_down;
    }
}

/// The settings that lead to a fake Google Drive at this base URL: this one, or that of `.ci/drive.mjs`.
#[must_use]
pub fn settings(base: &str) -> [(&'static str, &str); 4] {
    [
        ("LEVQOR_STORAGE_DRIVE_CLIENT_ID", "client"),
        ("LEVQOR_STORAGE_DRIVE_CLIENT_SECRET", "hush"),
        ("LEVQOR_STORAGE_DRIVE_REFRESH_TOKEN", "1//refresh"),
        ("LEVQOR_STORAGE_DRIVE_API_BASE", base),
    ]
}

impl World {
    /// Keeps a file under a new id. Returns the file as the API shows it.
    fn add(&mut self, file: File) -> Value {
        self.made += 1;
        let id = format!("id{}", self.made);
        let shown = shown(&id, &file);
        self.files.insert(id, file);
        shown
    }
}

/// A file as the API shows it.
fn shown(id: &str, file: &File) -> Value {
    let kind = if file.is_folder { FOLDER } else { "application/octet-stream" };
    let mut shown = json!({"id": id, "name": file.name, "mimeType": kind});
    if !file.is_folder {
        shown["size"] = file.content.len().to_string().into();
    }
    shown
}

fn routes(world: Shared) -> Router {
    Router::new()
        .route("/drive/v3/files", get(list).post(create_folder))
        .route("/drive/v3/files/{id}", get(read).delete(delete))
        .route("/upload/drive/v3/files", post(upload))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&world), may))
        .route("/token", post(token))
        .layer(middleware::from_fn_with_state(Arc::clone(&world), answers))
        .layer(DefaultBodyLimit::disable())
        .with_state(world)
}

/// Refuses everything while it is down.
async fn answers(State(world): State<Shared>, request: axum::extract::Request, next: Next) -> Response {
    let is_down = {
        let mut world = world.lock().expect("the world");
        world.calls += 1;
        world.is_down
    };
    if is_down { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { next.run(request).await }
}

/// Takes only the last token.
async fn may(State(world): State<Shared>, request: axum::extract::Request, next: Next) -> Response {
    let last = format!("Bearer token{}", world.lock().expect("the world").tokens);
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| given == last.as_str()) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// Gives a token, if the secrets are right, and are in the body alone.
async fn token(State(world): State<Shared>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let is_form =
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if body != GRANT || !is_form || uri.query().is_some() {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let mut world = world.lock().expect("the world");
    world.tokens += 1;
    let expires_in = if world.lives_briefly { 1 } else { 3600 };
    Json(json!({"access_token": format!("token{}", world.tokens), "expires_in": expires_in})).into_response()
}

/// Finds the file of a name in a folder: `name = '…' and '…' in parents and trashed = false`.
async fn list(State(world): State<Shared>, Query(asked): Query<HashMap<String, String>>) -> Json<Value> {
    let terms: Vec<_> = asked.get("q").map(String::as_str).unwrap_or_default().split(" and ").collect();
    let between = |start: &str, end: &str| {
        terms.iter().find_map(|term| term.strip_prefix(start)?.strip_suffix(end)).unwrap_or_default()
    };
    let (name, parent) = (between("name = '", "'"), between("'", "' in parents"));
    let wants_folder = terms.iter().any(|term| term.starts_with("mimeType = "));
    let world = world.lock().expect("the world");
    let found = world
        .files
        .iter()
        .filter(|(_, file)| file.name == name && file.parent == parent && (file.is_folder || !wants_folder));
    Json(json!({"files": found.map(|(id, file)| shown(id, file)).collect::<Vec<_>>()}))
}

async fn create_folder(State(world): State<Shared>, Json(asked): Json<Value>) -> Json<Value> {
    let folder = File { is_folder: true, ..described(&asked, Bytes::new()) };
    Json(world.lock().expect("the world").add(folder))
}

/// A file with this description.
fn described(asked: &Value, content: Bytes) -> File {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    File { name: text(&asked["name"]), parent: text(&asked["parents"][0]), is_folder: false, content }
}

/// Takes a file: two parts, its description and its content.
async fn upload(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let find = |text: &[u8], from: usize| {
        let rest = body.get(from..).unwrap_or_default();
        rest.windows(text.len()).position(|window| window == text).map(|at| from + at)
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some(boundary) = kind.strip_prefix("multipart/related; boundary=") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let end = format!("\r\n--{boundary}");
    // The content of a part is between the empty line after its headers and the next boundary. The last boundary ends the body.
    let parts = || {
        let first = find(b"\r\n\r\n", 0)? + 4;
        let first_end = find(end.as_bytes(), first)?;
        let second = find(b"\r\n\r\n", first_end)? + 4;
        let second_end = body.len().checked_sub(end.len() + "--\r\n".len())?;
        let asked = serde_json::from_slice(body.get(first..first_end)?).ok()?;
        (second <= second_end).then(|| described(&asked, body.slice(second..second_end)))
    };
    match parts() {
        Some(file) => Json(world.lock().expect("the world").add(file)).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Sends the description of a file, or a range of its content.
async fn read(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(file) = world.lock().expect("the world").files.get(&id).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if asked.get("alt").is_none_or(|alt| alt != "media") {
        return Json(shown(&id, &file)).into_response();
    }
    let size = file.content.len();
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let bound = |text: &str, otherwise: usize| text.parse().unwrap_or(otherwise);
    let (first, last) =
        bounds.map_or((0, size - 1), |(first, last)| (bound(first, 0), bound(last, size - 1)));
    let last = last.min(size - 1);
    let told = [(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"))];
    (StatusCode::PARTIAL_CONTENT, told, file.content.slice(first..=last)).into_response()
}

async fn delete(State(world): State<Shared>, Path(id): Path<String>) -> StatusCode {
    match world.lock().expect("the world").files.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}
