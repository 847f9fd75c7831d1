//! A mail provider with Resend's HTTP API. It keeps every mail that it accepts, and fails in the ways that a test
//! chooses. It serves on a port of this machine from a thread of its own, so that other processes can send to it too.
//!
//! Its answers are Resend's: <https://resend.com/docs/api-reference/errors> and
//! <https://resend.com/docs/dashboard/emails/idempotency-keys>.

// By path, so that other crates' tests can include this file by path.
#[path = "mail/list.rs"]
mod list;
#[path = "mail/receiving.rs"]
pub(crate) mod receiving;
#[path = "mail/server.rs"]
mod server;
#[cfg(test)]
#[path = "mail/tests.rs"]
mod tests;
#[path = "mail/webhooks.rs"]
pub(crate) mod webhooks;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{net::TcpSocket, sync::watch, time::timeout};

use self::server::{Cut, Serving, bound};

/// The API key that it knows; every other is refused with 403.
pub(crate) const API_KEY: &str = "re_of_tests";

/// Where it lists the domains that mail may come from, and the one that there is.
const DOMAINS: &str = "/domains";
const DOMAIN: &str = "levqor.ai";

/// A mail that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accept {
    /// Its own id for the mail: the evidence.
    pub(crate) id: String,
    /// The `Idempotency-Key`, if the request has one.
    pub(crate) key: Option<String>,
    /// The sender.
    pub(crate) from: String,
    /// The recipient.
    pub(crate) to: String,
    /// The subject.
    pub(crate) subject: String,
    /// Where replies go, if the mail says so.
    pub(crate) reply_to: Option<String>,
    /// Further headers, by name.
    pub(crate) headers: Value,
    /// The tags, as the request lists them. Null if it has none.
    pub(crate) tags: Value,
    /// The text part.
    pub(crate) text: String,
    /// The HTML part.
    pub(crate) html: String,
}

/// Its reaction to one request. A mail whose key it has already is never accepted a second time, whatever the reaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Accepts the mail and answers with its id.
    Accept,
    /// Accepts the mail and cuts the connection before it answers.
    AcceptAndCut,
    /// Accepts the mail, but answers with this status.
    AcceptAndFail(u16),
    /// Accepts the mail and answers with an unreadable body.
    AcceptAndBabble,
    /// Accepts the mail and answers when the test releases the answer, or after this time.
    AcceptSlowly(Duration),
    /// Cuts the connection and accepts nothing.
    Cut,
    /// Answers with this status and accepts nothing.
    Fail(u16),
    /// Answers with 429 and this number of seconds in `Retry-After`, and accepts nothing.
    RateLimit(u32),
}

/// The provider. It serves until it is dropped.
pub(crate) struct FakeMail {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: Mutex<Server>,
}

/// Either a server, or a socket that holds the port without listening, so that no other process gets it meanwhile.
struct Server {
    serving: Option<Serving>,
    held: Option<TcpSocket>,
}

struct Shared {
    honours_keys: bool,
    /// The base URL, known once it serves.
    base: OnceLock<String>,
    requests: AtomicUsize,
    released: watch::Sender<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accepted: Vec<Accept>,
    next: VecDeque<Behaviour>,
    /// For each idempotency key, the id of the mail and the request.
    keys: HashMap<String, (String, Value)>,
    in_progress: HashSet<String>,
    /// For each mail id, the last event.
    last_events: HashMap<String, String>,
    /// The mails that it received, by their ids.
    received: Vec<(String, receiving::Inbound)>,
    /// The status that the list of mails is refused with.
    list_fails_with: Option<u16>,
}

impl FakeMail {
    /// A provider that honours idempotency keys.
    pub(crate) fn start() -> Self {
        Self::new(true)
    }

    /// A provider that ignores idempotency keys, like several that copy Resend's API.
    pub(crate) fn start_ignoring_keys() -> Self {
        Self::new(false)
    }

    fn new(honours_keys: bool) -> Self {
        let shared = Arc::new(Shared {
            honours_keys,
            base: OnceLock::new(),
            requests: AtomicUsize::new(0),
            released: watch::Sender::new(()),
            state: Mutex::default(),
        });
        let (addr, serving) = Serving::start(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(&shared));
        shared.base.set(format!("http://{addr}")).expect("set once");
        Self { addr, shared, server: Mutex::new(Server { serving: Some(serving), held: None }) }
    }

    /// Its base URL, for `RESEND_API_BASE`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The mails that it accepted so far.
    pub(crate) fn accepted(&self) -> Vec<Accept> {
        self.shared.state().accepted.clone()
    }

    /// How many requests came so far, whatever became of them.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Sets what it does with the next requests, in this order, after the earlier orders. Then it accepts again.
    pub(crate) fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.state().next.extend(behaviours);
    }

    /// Behaves normally again: forgets the behaviours for requests that have not come yet.
    pub(crate) fn heal(&self) {
        self.shared.state().next.clear();
    }

    /// Releases the answers that wait.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(());
    }

    /// Forgets every key, as Resend does 24 hours later.
    pub(crate) fn forget_keys(&self) {
        self.shared.state().keys.clear();
    }

    /// Cuts every connection, and refuses new ones until the test allows them again.
    pub(crate) fn refuse_connections(&self) {
        let mut server = self.server.lock().expect("the server");
        if let Some(serving) = server.serving.take() {
            drop(serving);
            server.held = Some(bound(self.addr));
        }
    }

    /// Takes connections again.
    pub(crate) fn take_connections(&self) {
        let mut server = self.server.lock().expect("the server");
        if let Some(held) = server.held.take() {
            drop(held);
            server.serving = Some(Serving::start(self.addr, Arc::clone(&self.shared)).1);
        }
    }
}

type Answer = Response<Full<Bytes>>;

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Answer, Cut>
    where
        B: http_body::Body,
    {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        if head.uri.path().starts_with(receiving::FILES) {
            return Ok(self.received(head.uri.path()));
        }
        if let Some(refusal) = refusal(&head) {
            return Ok(refusal);
        }
        if head.uri.path().starts_with("/emails/receiving/") {
            return Ok(self.received(head.uri.path()));
        }
        if head.uri.path() == DOMAINS {
            let domain = json!({"id": "d1", "name": DOMAIN, "status": "verified", "region": "eu-west-1"});
            return Ok(json_answer(200, &json!({"object": "list", "data": [domain]})));
        }
        if head.method == http::Method::GET {
            return Ok(self.listed(head.uri.query().unwrap_or_default()));
        }
        let key = text(&head.headers, "idempotency-key");
        let behaviour = self.state().next.pop_front().unwrap_or(Behaviour::Accept);
        match behaviour {
            Behaviour::Cut => return Err(Cut),
            Behaviour::Fail(status) => return Ok(failure(status, &body)),
            Behaviour::RateLimit(seconds) => {
                let mut answer = failure(429, &body);
                answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                return Ok(answer);
            }
            _ => {}
        }
        // Subscribes before the mail is accepted: a test may release the answer as soon as it sees the mail.
        let mut released = self.released.subscribe();
        let (id, _in_progress) = match self.accept(key.as_deref(), &body) {
            Ok(accepted) => accepted,
            Err(refused) => return Ok(*refused),
        };
        match behaviour {
            Behaviour::AcceptAndCut => Err(Cut),
            Behaviour::AcceptAndFail(status) => Ok(failure(status, &body)),
            Behaviour::AcceptAndBabble => Ok(Response::new(Full::from("<html>thank you"))),
            Behaviour::AcceptSlowly(most) => {
                let _ = timeout(most, released.changed()).await;
                Ok(json_answer(200, &json!({"id": id})))
            }
            _ => Ok(json_answer(200, &json!({"id": id}))),
        }
    }

    /// Accepts a mail, and returns its id. A mail whose key is known is not accepted again.
    fn accept(&self, key: Option<&str>, body: &Bytes) -> Result<(String, InProgress<'_>), Box<Answer>> {
        let mail: Value = serde_json::from_slice(body).unwrap_or_default();
        if ["from", "to", "subject"].iter().any(|field| mail[field].is_null()) {
            return Err(Box::new(error(422, "missing_required_field", "a field is missing")));
        }
        let mut state = self.state();
        if let Some(key) = key.filter(|_| self.honours_keys) {
            match state.keys.get(key) {
                Some((_, before)) if *before != mail => {
                    return Err(Box::new(error(409, "invalid_idempotent_request", "another payload")));
                }
                _ if state.in_progress.contains(key) => {
                    return Err(Box::new(error(409, "concurrent_idempotent_requests", "in progress")));
                }
                Some((id, _)) => return Ok((id.clone(), InProgress(self, None))),
                None => drop(state.in_progress.insert(key.to_owned())),
            }
        }
        let id = levqor_runtime::id::request_id();
        let field = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
        let to = mail["to"].as_str().or(mail["to"][0].as_str()).unwrap_or_default().to_owned();
        state.accepted.push(Accept {
            id: id.clone(),
            key: key.map(str::to_owned),
            from: field("from"),
            to,
            subject: field("subject"),
            reply_to: mail["reply_to"].as_str().map(str::to_owned),
            headers: mail["headers"].clone(),
            tags: mail["tags"].clone(),
            text: field("text"),
            html: field("html"),
        });
        if let Some(key) = key {
            state.keys.insert(key.to_owned(), (id.clone(), mail));
        }
        Ok((id, InProgress(self, key.map(str::to_owned))))
    }
}

/// A key whose first request is not answered yet. It is dropped when the request is answered or its client is gone.
struct InProgress<'a>(&'a Shared, Option<String>);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.1 {
            self.0.state().in_progress.remove(key);
        }
    }
}

/// Refuses a request by its method, path or key, before its body is read.
fn refusal(head: &http::request::Parts) -> Option<Answer> {
    let method = match head.uri.path() {
        "/emails" if head.method == http::Method::GET => http::Method::GET,
        "/emails" => http::Method::POST,
        DOMAINS => http::Method::GET,
        path if path.starts_with("/emails/receiving/") => http::Method::GET,
        _ => return Some(error(404, "not_found", "The requested endpoint does not exist.")),
    };
    if head.method != method {
        return Some(error(405, "method_not_allowed", "Method is not allowed for the requested path."));
    }
    match text(&head.headers, "authorization") {
        None => Some(error(401, "missing_api_key", "Missing API key in the authorization header.")),
        Some(bearer) if bearer != format!("Bearer {API_KEY}") => {
            Some(error(403, "invalid_api_key", "API key is invalid."))
        }
        Some(_) => match text(&head.headers, "idempotency-key") {
            Some(key) if key.is_empty() || key.len() > 256 => {
                Some(error(400, "invalid_idempotency_key", "The key must be between 1-256 chars."))
            }
            _ => None,
        },
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A failure on demand. Its message quotes the whole request, as providers' messages sometimes quote an address: nobody
/// may keep it.
fn failure(status: u16, request: &[u8]) -> Answer {
    let name = match status {
        400 | 403 | 422 => "validation_error",
        401 => "restricted_api_key",
        404 => "not_found",
        409 => "concurrent_idempotent_requests",
        429 => "rate_limit_exceeded",
        _ => "application_error",
    };
    error(status, name, &String::from_utf8_lossy(request))
}

fn error(status: u16, name: &str, message: &str) -> Answer {
    json_answer(status, &json!({"statusCode": status, "name": name, "message": message}))
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}
