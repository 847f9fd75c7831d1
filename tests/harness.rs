//! The whole mesh in one test: services and gateway on ports of their own, and the actors that call them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_notifications::Notifications;
use levqor_runtime::{
    chassis::Chassis,
    client::{Address, Addresses},
    clock::Clock,
    config::{Env, Reader},
    db::{DatabaseUrl, Db},
    metrics::{self, Format, Metrics},
    run::{self, Running, ServiceConfig},
    service::Service,
    testing::{self, Caller, JWT_SECRET, MESH_KEY, eventually},
};
use levqor_support::Support;
use serde_json::Value;
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;

mod actor;
mod certificates;

pub(crate) use actor::{Actor, Answer, telling};
use certificates::Certificates;

use crate::{
    databases::{databases, of},
    fakes::mail::webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Webhook},
    services, stripe,
};

/// The key of stored copies in tests.
pub(crate) const STORAGE_KEY: &str =
    "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG";

/// The mesh, running.
pub(crate) struct Mesh {
    /// The gateway's address.
    pub(crate) url: String,
    billing: Option<Running<Billing>>,
    notifications: Option<Running<Notifications>>,
    support: Option<Running<Support>>,
    compliance: Option<Running<Compliance>>,
    gateway: Option<levqor_gateway::Running>,
    process: Metrics,
    databases: Vec<Db>,
    errors: Errors,
    http: reqwest::Client,
    finished: bool,
    files: Files,
    _certificates: Option<Certificates>,
    _log: tracing::subscriber::DefaultGuard,
}

impl Mesh {
    /// Starts it, with databases of its own.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these settings for its services.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Box::pin(Self::start_on_with(databases().await, settings, Files::default(), None)).await
    }

    /// Starts it with these settings, and with certificates by which its processes prove their names to each other.
    pub(crate) async fn start_with_certificates(settings: &[(&str, &str)]) -> Self {
        let (databases, certificates) = (databases().await, Some(Certificates::create()));
        Box::pin(Self::start_on_with(databases, settings, Files::default(), certificates)).await
    }

    /// Starts it on these databases, which are in the order of `services::ALL`.
    pub(crate) async fn start_on(databases: Vec<DatabaseUrl>) -> Self {
        Box::pin(Self::start_on_with(databases, &[], Files::default(), None)).await
    }

    async fn start_on_with(
        urls: Vec<DatabaseUrl>,
        settings: &[(&str, &str)],
        files: Files,
        certificates: Option<Certificates>,
    ) -> Self {
        let certified = certificates.as_ref();
        let errors = Errors::default();
        // A test runs on one thread, and so do all tasks of its mesh: their log lines belong to this test.
        let log = testing::hear(tracing_subscriber::registry().with(errors.clone()));
        let mut ports = HashMap::new();
        for service in services::ALL {
            ports.insert(service.name(), port().await);
        }
        let address = |listener: &TcpListener| vec![Address::Fixed(listener.local_addr().expect("address"))];
        let named = ports.iter().map(|(name, listener)| ((*name).to_owned(), address(listener)));
        let peers = Addresses(named.collect());
        let mut port_of = |service: &str| ports.remove(service).expect("a port");
        let databases = urls.iter().map(testing::connect).collect();
        let storage = [("LEVQOR_STORAGE_DIR", files.0.as_str()), ("LEVQOR_STORAGE_KEY", STORAGE_KEY)];
        let of_compliance = [&storage, settings].concat();
        // The others compare themselves with its ledger of erasures, and are ready then.
        let compliance = config::<Compliance>(of(Compliance::NAME, &urls), &peers, &of_compliance);
        let compliance = start(port_of(Compliance::NAME), compliance, certified).await;
        let of_billing = [&[("LEVQOR_STORAGE_DIR", files.0.as_str())], settings].concat();
        let billing = config::<Billing>(of(Billing::NAME, &urls), &peers, &of_billing);
        let billing = start(port_of(Billing::NAME), billing, certified).await;
        let notifications = config::<Notifications>(of(Notifications::NAME, &urls), &peers, settings);
        let notifications = start(port_of(Notifications::NAME), notifications, certified).await;
        let of_support = [&[("LEVQOR_STORAGE_DIR", files.0.as_str())], settings].concat();
        let support = config::<Support>(of(Support::NAME, &urls), &peers, &of_support);
        let support = start(port_of(Support::NAME), support, certified).await;
        assert!(ports.is_empty(), "this harness does not start {ports:?}");
        let gateway = gateway(peers, certified).await;
        let process = Metrics::new("up");
        process.show_process();
        let url = format!("http://{}", gateway.addr());
        let http = levqor_runtime::client::http_client().expect("client");
        Self {
            url,
            billing: Some(billing),
            notifications: Some(notifications),
            support: Some(support),
            compliance: Some(compliance),
            gateway: Some(gateway),
            process,
            databases,
            errors,
            http,
            finished: false,
            files,
            _certificates: certificates,
            _log: log,
        }
    }

    /// A caller of the gateway.
    pub(crate) fn actor(&self, caller: Caller) -> Actor<'_> {
        Actor { mesh: self, caller }
    }

    /// A caller without a token.
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

    /// The address of compliance.
    pub(crate) fn compliance_addr(&self) -> SocketAddr {
        self.compliance.as_ref().expect("it runs until finish()").addr
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

    /// Waits until all effects of the accepted requests have happened.
    pub(crate) async fn settle(&self) {
        eventually("the mesh is at rest", || self.at_rest()).await;
    }

    /// Nothing, unless no work is left to do now. It looks twice: between the looks at two services, the last work of one may have
    /// become work of the other.
    pub(crate) async fn at_rest(&self) -> Option<()> {
        self.has_no_work().await?;
        self.has_no_work().await
    }

    /// Nothing, unless no work is found in one look at each service.
    async fn has_no_work(&self) -> Option<()> {
        let journal = "SELECT count(*) FROM stripe_events WHERE state = 'PENDING'";
        let mut left: i64 = sqlx::query_scalar(journal).fetch_one(self.billing_db().pool()).await.ok()?;
        // Tests look again and again, and the mesh works on the same thread: the first work that is found is enough.
        for db in &self.databases {
            if left > 0 {
                return None;
            }
            left = deferred(db, "WAITING").await?;
        }
        (left == 0).then_some(())
    }

    /// Billing's tables.
    pub(crate) fn billing_db(&self) -> &Db {
        of("billing", &self.databases)
    }

    /// Notifications' tables.
    pub(crate) fn notifications_db(&self) -> &Db {
        of("notifications", &self.databases)
    }

    /// Compliance's tables.
    pub(crate) fn compliance_db(&self) -> &Db {
        of("compliance", &self.databases)
    }

    /// The databases of all services, in the order of `services::ALL`.
    pub(crate) fn databases(&self) -> &[Db] {
        &self.databases
    }

    /// Support's tables.
    pub(crate) fn support_db(&self) -> &Db {
        of("support", &self.databases)
    }

    /// The folder of the files.
    pub(crate) fn files(&self) -> &str {
        &self.files.0
    }

    /// Moves the mesh's time: the leases of workers that were cut off expire, and their work is claimed again. Notifications is first: work
    /// that becomes due elsewhere calls it, and its leases would end at once.
    pub(crate) async fn advance(&self, by: chrono::TimeDelta) {
        for db in [self.notifications_db(), self.support_db(), self.billing_db(), self.compliance_db()] {
            testing::advance(db, by).await;
        }
    }

    /// What Prometheus would scrape of the whole mesh now, measured now.
    pub(crate) async fn scrape(&self, format: Format) -> String {
        let (billing, notifications, support, compliance, gateway) = (
            self.billing.as_ref(),
            self.notifications.as_ref(),
            self.support.as_ref(),
            self.compliance.as_ref(),
            self.gateway.as_ref(),
        );
        let (Some(billing), Some(notifications), Some(support), Some(compliance), Some(gateway)) =
            (billing, notifications, support, compliance, gateway)
        else {
            panic!("it runs until finish()");
        };
        billing.measure().await;
        notifications.measure().await;
        support.measure().await;
        compliance.measure().await;
        let shown = [
            self.process.clone(),
            billing.chassis().metrics.clone(),
            notifications.chassis().metrics.clone(),
            support.chassis().metrics.clone(),
            compliance.chassis().metrics.clone(),
            gateway.metrics().clone(),
        ];
        metrics::render(&shown, format)
    }

    /// Takes the failures that were logged so far: a test that wants some says so by taking them.
    pub(crate) fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.0.lock().expect("errors"))
    }

    /// Stops the mesh, and leaves its files.
    pub(crate) async fn stop(mut self) -> Files {
        let files = std::mem::take(&mut self.files);
        self.finish().await;
        files
    }

    /// Starts another mesh on these databases, with the files of one that was stopped.
    pub(crate) async fn start_again(databases: Vec<DatabaseUrl>, files: Files) -> Self {
        Box::pin(Self::start_on_with(databases, &[], files, None)).await
    }

    /// Stops the mesh. Fails the test where something was left undone or failed unseen.
    pub(crate) async fn finish(mut self) {
        self.settle().await;
        for db in &self.databases {
            assert_eq!(deferred(db, "DEAD").await, Some(0), "a deferred call is dead");
        }
        assert_eq!(
            self.take_errors(),
            Vec::<String>::new(),
            "errors were logged that the test does not know of"
        );
        self.finished = true;
        if let Some(gateway) = self.gateway.take() {
            gateway.drain(std::time::Duration::ZERO).await;
        }
        if let Some(support) = self.support.take() {
            support.drain().await;
        }
        if let Some(compliance) = self.compliance.take() {
            compliance.drain().await;
        }
        if let Some(billing) = self.billing.take() {
            billing.drain().await;
        }
        if let Some(notifications) = self.notifications.take() {
            notifications.drain().await;
        }
    }
}

/// How many deferred calls are in this state. `None` while the database does not answer.
async fn deferred(db: &Db, state: &str) -> Option<i64> {
    // The next step of a flow waits for its day, and is not unfinished work until then.
    let query = "SELECT count(*) FROM runtime.work
                 WHERE state = $1
                   AND (attempts > 0 OR due_time < create_time + interval '1 hour' OR due_time <= runtime.now())";
    sqlx::query_scalar(query).bind(state).fetch_one(db.pool()).await.ok()
}

impl Drop for Mesh {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "the test did not call finish()");
    }
}

pub(crate) async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

async fn start<S: Service>(
    listener: TcpListener,
    mut config: ServiceConfig<S>,
    certificates: Option<&Certificates>,
) -> Running<S> {
    if let Some(certificates) = certificates {
        config.tls = certificates.of(S::NAME);
    }
    let running = run::start_on(listener, config).await.expect("the service starts");
    running.ready().await;
    running
}

/// Starts a service, and does not wait for it.
pub(crate) async fn start_unready<S: Service>(
    listener: TcpListener,
    url: &DatabaseUrl,
    peers: &Addresses,
    settings: &[(&str, &str)],
) -> Running<S> {
    run::start_on(listener, config(url, peers, settings)).await.expect("the service starts")
}

/// The configuration of a service.
fn config<S: Service>(url: &DatabaseUrl, peers: &Addresses, settings: &[(&str, &str)]) -> ServiceConfig<S> {
    let two_secrets = format!("{},{}", stripe::SECRET, stripe::OTHER_SECRET);
    let two_of_mail = format!("{WEBHOOK_SECRET},{OTHER_WEBHOOK_SECRET}");
    let ours = [
        ("STRIPE_WEBHOOK_SECRET", two_secrets.as_str()),
        // The events of tests are of test mode, as they would be with a key of test mode.
        ("LEVQOR_STRIPE_LIVEMODE", "false"),
        ("RESEND_WEBHOOK_SECRET", two_of_mail.as_str()),
        ("LEVQOR_ADDRESS_KEY", "the address key of tests which is long enough"),
        ("LEVQOR_MARKETING_HOURS", "0-24"),
        ("LEVQOR_LEDGER_CHECK", "true"),
        // To be able to answer, each service decodes its descriptors twice at its start. No journey asks.
        ("LEVQOR_GRPC_REFLECTION", "false"),
    ];
    let mut config = testing::config::<S>(url, &[&ours, settings].concat());
    config.addresses = peers.clone();
    config
}

async fn gateway(peers: Addresses, certificates: Option<&Certificates>) -> levqor_gateway::Running {
    let mut env = Env::from_pairs([
        ("LEVQOR_HTTP_ADDR", "127.0.0.1:0"),
        // A test does in a minute what one caller may do in an hour.
        ("LEVQOR_RATE_LIMITS", "off"),
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
    if let Some(certificates) = certificates {
        config.mesh_tls = certificates.of(levqor_gateway::NAME);
    }
    levqor_gateway::start(config, levqor_gateway::methods(), Clock::default())
        .await
        .expect("the gateway starts")
}

/// A folder for files. It is removed with the mesh.
pub(crate) struct Files(String);

impl Default for Files {
    fn default() -> Self {
        let name = format!("levqor-mesh-files-{}", levqor_runtime::id::request_id());
        Self(std::env::temp_dir().join(name).to_string_lossy().into_owned())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Keeps the log lines at ERROR.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Errors {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_error(
                &mut self,
                field: &tracing::field::Field,
                value: &(dyn std::error::Error + 'static),
            ) {
                let causes = std::iter::successors(Some(value), |error| error.source());
                causes.for_each(|cause| self.record_debug(field, &cause));
            }
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
