//! The mesh that the doctor checks: a `levqor up` with every outside system that it can have: Stripe, a mail provider, an OTLP
//! receiver and a Sentry.

use std::{
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use levqor_runtime::testing::recorder::Recorder;
use serde_json::{Map, Value, json};
use sqlx::Connection;

use super::report::Report;
use crate::{
    fakes::{
        mail::{
            API_KEY, FakeMail,
            webhooks::{OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET},
        },
        stripe::{KEY, Stripe, price_settings},
    },
    process::{Folder, Process, levqor},
    stripe::{OTHER_SECRET, SECRET},
};

/// Where Stripe would reach the mesh.
const WEBHOOK_URL: &str = "https://levqor.example/webhooks/stripe";

/// The mesh, and the outside systems.
pub(crate) struct CheckedMesh {
    pub(crate) stripe: Stripe,
    pub(crate) mail: FakeMail,
    pub(crate) recorder: Recorder,
    runtime: tokio::runtime::Runtime,
    /// In a mutex, so that threads can share the mesh.
    _daemon: Mutex<Process>,
    folder: Folder,
}

impl CheckedMesh {
    /// Starts it, and waits until it can work.
    pub(crate) fn start() -> Self {
        let (stripe, mail, recorder) = (Stripe::start(), FakeMail::start(), Recorder::start());
        let endpoint = json!({"url": WEBHOOK_URL, "enabled_events": ["*"]});
        stripe.post("/v1/webhook_endpoints", endpoint);
        let folder = Folder::new();
        let mut command = levqor(&folder.data(), &["up"]);
        command.envs(settings(&stripe, &mail, &recorder));
        let mut daemon = Process::start(command);
        daemon.until("Ctrl-C stops everything");
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        Self { stripe, mail, recorder, runtime, _daemon: Mutex::new(daemon), folder }
    }

    /// The mesh of the tests that change only the settings of the doctor's command: those that run at the same time share it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<CheckedMesh>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let checked = Arc::new(Self::start());
            *shared = Arc::downgrade(&checked);
            checked
        })
    }

    /// The doctor's command, with the settings of the mesh and these changes. An empty value removes a setting.
    pub(crate) fn command(&self, arguments: &[&str], changes: &[(&str, &str)]) -> Command {
        let mut command = levqor(&self.folder.data(), arguments);
        command.envs(settings(&self.stripe, &self.mail, &self.recorder));
        command.envs(changes.iter().copied());
        command
    }

    /// The report of the doctor, with the settings of the mesh and these changes.
    pub(crate) fn doctor(&self, changes: &[(&str, &str)]) -> Report {
        Report::of(self.command(&["doctor", "--json"], changes), &self.secrets())
    }

    /// The secrets that must not be shown.
    fn secrets(&self) -> Vec<String> {
        let made = std::fs::read(self.folder.data().join("secrets.json")).expect("secrets.json");
        let made: Map<String, Value> = serde_json::from_slice(&made).expect("JSON");
        let made = made.values().map(|secret| secret.as_str().expect("text").to_owned());
        let given = [
            SECRET,
            OTHER_SECRET,
            WEBHOOK_SECRET,
            OTHER_WEBHOOK_SECRET,
            KEY,
            API_KEY,
            "publickey",
            "hunter2",
        ];
        let given = given.map(str::to_owned);
        made.chain(given).collect()
    }

    /// The contents of `run.json`.
    pub(crate) fn run_file(&self) -> Value {
        let file = std::fs::read(self.folder.data().join("run.json")).expect("run.json");
        serde_json::from_slice(&file).expect("JSON")
    }

    /// The metrics that it shows.
    pub(crate) fn metrics(&self) -> String {
        let url = self.run_file()["metrics"].as_str().expect("an address").to_owned();
        self.runtime.block_on(async {
            let http = levqor_runtime::client::local_http_client().expect("client");
            http.get(url).send().await.expect("an answer").text().await.expect("text")
        })
    }

    /// Executes SQL in the database of a service, without the service.
    pub(crate) fn sabotage(&self, service: &str, statement: &str) {
        self.sql(service, async |conn| {
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            sqlx::raw_sql(statement).execute(conn).await.expect("done");
        });
    }

    /// How many rows there are in a table of a service.
    pub(crate) fn count(&self, service: &str, table: &str) -> i64 {
        self.sql(service, async |conn| {
            let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            sqlx::query_scalar(count).fetch_one(conn).await.expect("a number")
        })
    }

    fn sql<T>(&self, service: &str, work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> T) -> T {
        self.runtime.block_on(async {
            let url = self.folder.cluster().database(&format!("levqor_{service}")).expect("url");
            let mut conn = sqlx::PgConnection::connect_with(url.options()).await.expect("answers");
            work(&mut conn).await
        })
    }

    /// Waits until the condition is true, for at most a minute.
    pub(crate) fn until(&self, what: &str, mut check: impl FnMut() -> bool) {
        self.runtime.block_on(levqor_runtime::testing::eventually(what, || {
            std::future::ready(check().then_some(()))
        }));
    }
}

/// The settings of the mesh for the outside systems.
fn settings(stripe: &Stripe, mail: &FakeMail, recorder: &Recorder) -> Vec<(String, String)> {
    let settings = [
        ("STRIPE_WEBHOOK_SECRET", format!("{SECRET},{OTHER_SECRET}")),
        // Without its padding, which the service does not need.
        ("RESEND_WEBHOOK_SECRET", format!("{WEBHOOK_SECRET},{}", OTHER_WEBHOOK_SECRET.trim_end_matches('='))),
        ("STRIPE_SECRET_KEY", KEY.to_owned()),
        ("STRIPE_API_BASE", stripe.url()),
        ("RESEND_API_KEY", API_KEY.to_owned()),
        ("RESEND_API_BASE", mail.url()),
        ("SENTRY_DSN", recorder.dsn()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", recorder.endpoint()),
        ("LEVQOR_TERMS_VERSION", "1".to_owned()),
        ("LEVQOR_STRIPE_WEBHOOK_URL", WEBHOOK_URL.to_owned()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    settings.into_iter().chain(price_settings()).collect()
}
