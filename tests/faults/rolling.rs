//! A rolling restart of all roles under load: no request fails, and each replica does its share of the work.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_runtime::{
    client::local_http_client,
    db::Db,
    testing::{Caller, eventually, spawn},
};
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    TIMEOUT, by, health,
    mail_provider::MailProvider,
    processes::{Mesh, Plan},
    shop::Shop,
};
use crate::{databases::of, observability::page::Page, roles::Role, stripe::sign};

/// Processes of each role.
const REPLICAS: usize = 2;
/// Clients. Each keeps its connection alive.
const CLIENTS: usize = 6;
/// How often a client sends a request, once it has the answer to the one before.
const EVERY: Duration = Duration::from_millis(80);
/// How many requests show whether the load is spread.
const SOME: usize = 180;
/// The least share of the requests of its role that a replica answers.
const LEAST_SHARE: f64 = 0.1;
/// How long a stopping process still takes requests. Clients that send one meanwhile get `connection: close`.
const LAMEDUCK_MS: u64 = 500;

#[tokio::test]
async fn a_rolling_restart_of_all_roles_under_load_fails_no_request() {
    let begun = Instant::now();
    let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
    let mut plan = Plan::new(REPLICAS, &shop, &post).await;
    plan.settings.push(("LEVQOR_DRAIN_DELAY_MS", LAMEDUCK_MS.to_string()));
    let mut mesh = Mesh::start(plan).await;
    let events: Arc<[String]> = shop.sell_by_hand().into();
    let load = Load::begin(mesh.door, 0..CLIENTS, &events);
    load.goes_on().await;
    assert_spread(&mesh).await;
    let restarts = Instant::now();
    for n in 0..mesh.processes() {
        mesh.stop(n).await;
        mesh.spawn(n, None);
        eventually("the successor is ready", || is_ready(&mesh, n)).await;
    }
    let restarted = restarts.elapsed();
    let before = load.end().await;
    // The connections of new clients are spread over all gateways again.
    let load = Load::begin(mesh.door, CLIENTS..2 * CLIENTS, &events);
    load.goes_on().await;
    assert_spread(&mesh).await;
    let after = load.end().await;
    let (answered, tickets) = (before.answered + after.answered, before.tickets + after.tickets);
    println!("{answered} requests, {restarted:.1?} of restarts, {:.1?} in all", begun.elapsed());
    assert_eq!([before.failures, after.failures].concat(), Vec::<String>::new());
    mesh.rest().await;
    let (billing, support) = (mesh.billing(), of("support", mesh.databases()));
    assert_eq!(count(support, "SELECT count(*) FROM tickets").await, tickets);
    let orders = count(billing, "SELECT count(*) FROM orders WHERE payment_state = 'PAID'").await;
    assert_eq!(orders, shop.sold().len());
    for db in mesh.databases() {
        assert_eq!(count(db, "SELECT count(*) FROM runtime.work WHERE state = 'DEAD'").await, 0);
    }
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prices,
    Templates,
    Articles,
    Documents,
    Event,
    Ticket,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Prices, Self::Templates, Self::Articles, Self::Documents, Self::Event, Self::Ticket];
}

/// A client of the mesh.
struct Client {
    number: usize,
    http: reqwest::Client,
    door: SocketAddr,
    events: Arc<[String]>,
}

/// What clients sent.
#[derive(Default)]
struct Report {
    answered: usize,
    /// Tickets that were created.
    tickets: usize,
    failures: Vec<String>,
}

impl Client {
    /// Its request of this turn.
    fn request(&self, kind: Kind, turn: usize) -> reqwest::RequestBuilder {
        let url = |path: &str| format!("http://{}{path}", self.door);
        let get = |caller: &Caller, path: &str| by(caller, self.http.get(url(path)));
        match kind {
            Kind::Prices => get(&Caller::anonymous(), "/v1/prices"),
            Kind::Documents => get(&Caller::anonymous(), "/v1/legal-documents"),
            Kind::Templates => get(&Caller::staff(), "/v1/templates"),
            Kind::Articles => get(&Caller::staff(), "/v1/articles"),
            Kind::Event => {
                let event = &self.events[turn % self.events.len()];
                let request = self.http.post(url("/webhooks/stripe"));
                request.header("stripe-signature", sign(event)).body(event.clone())
            }
            Kind::Ticket => {
                let key = format!("rolling-{}-{turn}", self.number);
                let request = self.http.post(url("/v1/tickets")).header("idempotency-key", key);
                let ada = Caller::customer("ada", "ada@example.com");
                by(&ada, request.json(&json!({"subject": "Help", "text": "Please."})))
            }
        }
    }

    /// Sends requests until they are over.
    async fn run(self, answered: Arc<AtomicUsize>, over: Arc<AtomicBool>) -> Report {
        let mut beat = interval(EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut report = Report::default();
        for turn in 0.. {
            beat.tick().await;
            if over.load(Ordering::SeqCst) {
                break;
            }
            let kind = Kind::ALL[(self.number + turn) % Kind::ALL.len()];
            match send(self.request(kind, turn)).await {
                Ok(()) => {
                    answered.fetch_add(1, Ordering::SeqCst);
                    report.answered += 1;
                    report.tickets += usize::from(kind == Kind::Ticket);
                }
                Err(failure) => report.failures.push(format!("{kind:?}: {failure}")),
            }
        }
        report
    }
}

/// Sends a request. The client itself sends it again only if it was not sent: its connection had been closed before.
async fn send(request: reqwest::RequestBuilder) -> Result<(), String> {
    let in_words = |error: reqwest::Error| format!("{error:?}");
    let answer = request.timeout(TIMEOUT).send().await.map_err(in_words)?;
    let status = answer.status();
    let text = answer.text().await.map_err(in_words)?;
    if status == reqwest::StatusCode::OK { Ok(()) } else { Err(format!("{status}, {text}")) }
}

/// Requests that continue until the test ends them.
struct Load {
    answered: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

impl Load {
    /// Starts clients with these numbers.
    fn begin(door: SocketAddr, numbers: Range<usize>, events: &Arc<[String]>) -> Self {
        let (answered, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let client = |number| {
            let http = local_http_client().expect("a client");
            let client = Client { number, http, door, events: Arc::clone(events) };
            spawn(client.run(Arc::clone(&answered), Arc::clone(&over)))
        };
        let clients = numbers.map(client).collect();
        Self { answered, over, clients }
    }

    /// Waits until some more requests were answered.
    async fn goes_on(&self) {
        let enough = self.answered.load(Ordering::SeqCst) + SOME;
        let is_enough = || (self.answered.load(Ordering::SeqCst) >= enough).then_some(());
        eventually("requests are answered", || std::future::ready(is_enough())).await;
    }

    /// Ends it.
    async fn end(self) -> Report {
        self.over.store(true, Ordering::SeqCst);
        let mut all = Report::default();
        for client in self.clients {
            let report = client.await.expect("no panic");
            all.answered += report.answered;
            all.tickets += report.tickets;
            all.failures.extend(report.failures);
        }
        all
    }
}

/// The role of a process. `Mesh` has them in this order.
fn role(n: usize) -> Role {
    Role::ALL[n / REPLICAS]
}

/// Something, if a process says that it is ready.
async fn is_ready(mesh: &Mesh, n: usize) -> Option<()> {
    match role(n) {
        Role::Gateway => {
            let answer = health(mesh.addresses(Role::Gateway)[n % REPLICAS]).await?;
            (answer.status == 200).then_some(())
        }
        Role::Billing | Role::Notifications | Role::Support | Role::Compliance => {
            let ready = page(mesh.page(n)).await?.sum("levqor_ready", &[])?;
            (ready > 0.5).then_some(())
        }
    }
}

/// The metrics of a process.
async fn page(address: SocketAddr) -> Option<Page> {
    let answer = super::send(super::client().get(format!("http://{address}/metrics"))).await?;
    Some(Page::read(&answer.text))
}

/// Checks that each process has answered its share of the requests.
async fn assert_spread(mesh: &Mesh) {
    let mut answered = Vec::new();
    for n in 0..mesh.processes() {
        let page = eventually("the metrics are shown", || page(mesh.page(n))).await;
        let (name, series) = match role(n) {
            Role::Gateway => ("http_server_request_duration_seconds_count", ("http_route", "/v1/prices")),
            Role::Billing => rpc("levqor.billing.v1.CheckoutService/GetPriceList"),
            Role::Notifications => rpc("levqor.notifications.v1.NotificationsService/ListTemplates"),
            Role::Support => rpc("levqor.support.v1.ArticleService/ListArticles"),
            Role::Compliance => rpc("levqor.compliance.v1.LegalDocumentService/ListLegalDocuments"),
        };
        answered.push(page.sum(name, &[series]).unwrap_or_default());
    }
    for (replicas, role) in answered.chunks(REPLICAS).zip(Role::ALL) {
        let least = replicas.iter().sum::<f64>() * LEAST_SHARE;
        let shared = replicas.iter().all(|answered| *answered > least);
        assert!(shared, "the replicas of {} answered {replicas:?}", role.name());
    }
}

/// The series of the calls of an RPC.
fn rpc(name: &str) -> (&'static str, (&'static str, &str)) {
    ("rpc_server_call_duration_seconds_count", ("rpc_method", name))
}

async fn count(db: &Db, query: &'static str) -> usize {
    let count = sqlx::query_scalar::<_, i64>(query).fetch_one(db.pool()).await.expect("a count");
    count.try_into().expect("not negative")
}
