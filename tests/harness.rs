//! The whole mesh in one test: services and gateway on ports of their own, and the actors that call them.

use std::sync::{Arc, Mutex};

use levqor_billing::Billing;
use levqor_notifications::Notifications;
use levqor_runtime::{
    chassis::Chassis,
    client::{Address, Addresses},
    clock::Clock,
    config::{Env, Reader},
    db::{DatabaseUrl, Db},
    metrics::{self, Format, Metrics},
    run::{self, Running},
    service::Service,
    testing::{self, Caller, JWT_SECRET, MESH_KEY, eventually},
};
use serde_json::Value;
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    fakes::mail::webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook},
    stripe,
};

/// The mesh, running.
pub(crate) struct Mesh {
    /// The gateway's address.
    pub(crate) url: String,
    billing: Option<Running<Billing>>,
    notifications: Option<Running<Notifications>>,
    gateway: Option<levqor_gateway::Running>,
    process: Metrics,
    databases: [Db; 2],
    errors: Errors,
    http: reqwest::Client,
    finished: bool,
    _log: tracing::subscriber::DefaultGuard,
}

impl Mesh {
    /// Starts it, with databases of its own.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these settings for its services.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let databases = (testing::database::<Billing>().await, testing::database::<Notifications>().await);
        Self::start_on_with(databases.0, databases.1, settings).await
    }

    /// Starts it on these databases.
    pub(crate) async fn start_on(billing_url: DatabaseUrl, notifications_url: DatabaseUrl) -> Self {
        Self::start_on_with(billing_url, notifications_url, &[]).await
    }

    async fn start_on_with(
        billing_url: DatabaseUrl,
        notifications_url: DatabaseUrl,
        settings: &[(&str, &str)],
    ) -> Self {
        let errors = Errors::default();
        // A test runs on one thread, and so do all tasks of its mesh: what they log is this test's.
        let log = testing::hear(tracing_subscriber::registry().with(errors.clone()));
        let (billing_port, notifications_port) = (port().await, port().await);
        let address = |listener: &TcpListener| vec![Address::Fixed(listener.local_addr().expect("address"))];
        let peers = Addresses(
            [
                ("billing".to_owned(), address(&billing_port)),
                ("notifications".to_owned(), address(&notifications_port)),
            ]
            .into(),
        );
        let databases = [testing::connect(&billing_url), testing::connect(&notifications_url)];
        let billing = start::<Billing>(billing_port, &billing_url, &peers, settings).await;
        let notifications =
            start::<Notifications>(notifications_port, &notifications_url, &peers, settings).await;
        let gateway = gateway(peers).await;
        let process = Metrics::new("up");
        process.show_process();
        let url = format!("http://{}", gateway.addr());
        let http = levqor_runtime::client::http_client().expect("client");
        Self {
            url,
            billing: Some(billing),
            notifications: Some(notifications),
            gateway: Some(gateway),
            process,
            databases,
            errors,
            http,
            finished: false,
            _log: log,
        }
    }

    /// Somebody who calls the gateway.
    pub(crate) fn actor(&self, caller: Caller) -> Actor<'_> {
        Actor { mesh: self, caller }
    }

    /// Nobody.
    pub(crate) fn anon(&self) -> Actor<'_> {
        self.actor(Caller::anonymous())
    }

    /// The customer with this name, at example.com, verified.
    pub(crate) fn customer(&self, name: &str) -> Actor<'_> {
        self.actor(Caller::customer(name, &format!("{name}@example.com")))
    }

    /// Staff.
    pub(crate) fn staff(&self) -> Actor<'_> {
        self.actor(Caller::staff())
    }

    /// An administrator.
    pub(crate) fn admin(&self) -> Actor<'_> {
        self.actor(Caller::admin())
    }

    /// A channel to one service, past the gateway.
    pub(crate) fn channel(&self, service: &str) -> levqor_runtime::client::Peer {
        self.billing().channels.get(service).expect("a channel")
    }

    /// Billing's chassis, past the gateway.
    pub(crate) fn billing(&self) -> &Chassis {
        self.billing.as_ref().expect("it runs until finish()").chassis()
    }

    /// Posts a webhook signed now with the first secret.
    pub(crate) async fn deliver(&self, event: &Value) -> Answer {
        self.post_webhook("/webhooks/stripe", &stripe::sign(&event.to_string()), event.to_string()).await
    }

    /// Posts bytes to a webhook path.
    pub(crate) async fn post_webhook(
        &self,
        path: &str,
        signature: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).header("stripe-signature", signature);
        Answer::of(request.body(body)).await
    }

    /// Posts a webhook of the mail provider's.
    pub(crate) async fn tell(&self, webhook: &Webhook) -> Answer {
        Answer::of(telling(&self.http, &self.url, webhook)).await
    }

    /// Waits until everything that follows from what was accepted has happened.
    pub(crate) async fn settle(&self) {
        eventually("the mesh is at rest", || async {
            let journal = "SELECT count(*) FROM stripe_events WHERE state = 'PENDING'";
            let pending: i64 = sqlx::query_scalar(journal).fetch_one(self.databases[0].pool()).await.ok()?;
            (pending == 0 && self.deferred("WAITING").await? == 0).then_some(())
        })
        .await;
    }

    async fn deferred(&self, state: &str) -> Option<i64> {
        let mut count = 0;
        for db in &self.databases {
            let query = "SELECT count(*) FROM runtime.work WHERE state = $1";
            count += sqlx::query_scalar::<_, i64>(query).bind(state).fetch_one(db.pool()).await.ok()?;
        }
        Some(count)
    }

    /// Billing's tables.
    pub(crate) fn billing_db(&self) -> &Db {
        &self.databases[0]
    }

    /// Notifications' tables.
    pub(crate) fn notifications_db(&self) -> &Db {
        &self.databases[1]
    }

    /// Moves the mesh's time: what a worker held when it was cut off is taken up.
    pub(crate) async fn advance(&self, by: chrono::TimeDelta) {
        for db in &self.databases {
            testing::advance(db, by).await;
        }
    }

    /// What Prometheus would scrape of the whole mesh now, measured now.
    pub(crate) async fn scrape(&self, format: Format) -> String {
        let (billing, notifications, gateway) =
            (self.billing.as_ref(), self.notifications.as_ref(), self.gateway.as_ref());
        let (Some(billing), Some(notifications), Some(gateway)) = (billing, notifications, gateway) else {
            panic!("it runs until finish()");
        };
        billing.measure().await;
        notifications.measure().await;
        let shown = [
            self.process.clone(),
            billing.chassis().metrics.clone(),
            notifications.chassis().metrics.clone(),
            gateway.metrics().clone(),
        ];
        metrics::render(&shown, format)
    }

    /// Takes the failures that were logged so far: a test that wants some says so by taking them.
    pub(crate) fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.0.lock().expect("errors"))
    }

    /// Stops the mesh. Fails the test where something was left undone or failed unseen.
    pub(crate) async fn finish(mut self) {
        self.settle().await;
        assert_eq!(self.deferred("DEAD").await, Some(0), "a deferred call is dead");
        assert_eq!(
            self.take_errors(),
            Vec::<String>::new(),
            "errors were logged that the test does not know of"
        );
        self.finished = true;
        if let Some(gateway) = self.gateway.take() {
            gateway.drain(std::time::Duration::ZERO).await;
        }
        if let Some(billing) = self.billing.take() {
            billing.drain().await;
        }
        if let Some(notifications) = self.notifications.take() {
            notifications.drain().await;
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "the test did not call finish()");
    }
}

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

async fn start<S: Service>(
    listener: TcpListener,
    url: &DatabaseUrl,
    peers: &Addresses,
    settings: &[(&str, &str)],
) -> Running<S> {
    let two_secrets = format!("{},{}", stripe::SECRET, stripe::OTHER_SECRET);
    let two_of_mail = format!("{WEBHOOK_SECRET},{OTHER_WEBHOOK_SECRET}");
    let ours = [
        ("STRIPE_WEBHOOK_SECRET", two_secrets.as_str()),
        // The events of tests are of test mode, as they would be with a key of test mode.
        ("LEVQOR_STRIPE_LIVEMODE", "false"),
        ("RESEND_WEBHOOK_SECRET", two_of_mail.as_str()),
        ("LEVQOR_ADDRESS_KEY", "the address key of tests which is long enough"),
    ];
    let mut config = testing::config::<S>(url, &[&ours, settings].concat());
    config.addresses = peers.clone();
    let running = run::start_on(listener, config).await.expect("the service starts");
    running.ready().await;
    running
}

async fn gateway(peers: Addresses) -> levqor_gateway::Running {
    let mut env = Env::from_pairs([
        ("LEVQOR_HTTP_ADDR", "127.0.0.1:0"),
        ("LEVQOR_MESH_KEY", MESH_KEY),
        ("LEVQOR_JWT_SECRET", JWT_SECRET),
    ]);
    for setting in Addresses::settings(levqor_gateway::methods().services()) {
        env.set_default(&setting.name, "127.0.0.1:1");
    }
    let mut reader = Reader::new(&env);
    let config = levqor_gateway::Config::read(&mut reader);
    let mut config = reader.finish(config).expect("settings");
    config.addresses = peers;
    levqor_gateway::start(config, levqor_gateway::methods(), Clock::default())
        .await
        .expect("the gateway starts")
}

/// Somebody who calls the gateway.
pub(crate) struct Actor<'m> {
    mesh: &'m Mesh,
    caller: Caller,
}

impl Actor<'_> {
    /// Gets a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(reqwest::Method::GET, path, None).await
    }

    /// Posts JSON to a path.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }

    /// Posts JSON to a path, under an idempotency key.
    pub(crate) async fn post_with_key(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = self.request(reqwest::Method::POST, path).header("idempotency-key", key);
        Answer::of(request.json(&body)).await
    }

    /// Calls a path.
    pub(crate) async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.mesh.http.request(method, format!("{}{path}", self.mesh.url));
        match self.caller.authorization() {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }
}

/// The request that tells the gateway at this address what the mail provider has to tell.
pub(crate) fn telling(http: &reqwest::Client, gateway: &str, webhook: &Webhook) -> reqwest::RequestBuilder {
    let Webhook { id, timestamp, signature, body } = webhook.clone();
    let request = http.post(format!("{gateway}/webhooks/resend"));
    let request = request.header("svix-id", id).header("svix-timestamp", timestamp);
    request.header("svix-signature", signature).body(body)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// The body as text.
    pub(crate) text: String,
    /// The body as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Answer {
    /// Sends a request.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the gateway answers")
    }

    /// Sends a request that may be lost; none where no whole answer came.
    pub(crate) async fn try_of(request: reqwest::RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Some(Self { status, headers, text, json })
    }

    /// A text in the body.
    pub(crate) fn str(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list in the body.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.json.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Keeps what is logged at ERROR.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Errors {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write;
                let _ = write!(self.0, "{}={value:?} ", field.name());
            }
        }
        if *event.metadata().level() == tracing::Level::ERROR {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().expect("errors").push(text.0);
        }
    }
}
