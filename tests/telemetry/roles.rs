//! A mesh of one process per role, with databases of its own, which exports its telemetry to a recorder.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use levqor_runtime::{
    clock::Clock,
    context::{Role, User},
    db::DatabaseUrl,
    testing::{self, Caller, JWT_SECRET, MESH_KEY, cluster, process::free_port, recorder::Recorder},
};
use serde_json::Value;
use sqlx::Connection;

use crate::{
    databases::{databases, of},
    process::{Folder, Process, Signal, levqor},
    stripe,
};

/// The mesh, running.
pub(crate) struct Roles {
    pub(crate) recorder: Recorder,
    url: String,
    pub(crate) pages: Vec<(&'static str, String)>,
    /// Their names, in the order of `services::ALL`.
    databases: Vec<String>,
    daemons: Vec<(&'static str, Process)>,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    _folder: Folder,
}

impl Roles {
    /// Starts it with these settings beside those that it needs.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let (folder, recorder, postgres) = (Folder::new(), Recorder::start(), cluster());
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let name = |url: &DatabaseUrl| url.options().get_database().expect("a database").to_owned();
        let databases: Vec<_> = runtime.block_on(databases()).iter().map(name).collect();
        let port = || free_port().to_string();
        let [billing, notifications, support, compliance, gateway] = [(); 5].map(|()| port());
        let url = format!("http://{gateway}");
        let shared = [
            ("LEVQOR_MESH_KEY", MESH_KEY),
            ("LEVQOR_JWT_SECRET", JWT_SECRET),
            ("LEVQOR_ADDRESS_KEY", "an address key of more than thirty-two characters"),
            ("LEVQOR_DRAIN_DELAY_MS", "0"),
            ("LEVQOR_ENVIRONMENT", "testing"),
            // A test with many requests is one caller, so the rate limits are off.
            ("LEVQOR_RATE_LIMITS", "off"),
            ("STRIPE_WEBHOOK_SECRET", stripe::SECRET),
            ("LEVQOR_STRIPE_LIVEMODE", "false"),
            ("LEVQOR_BILLING_ADDR", &billing),
            ("LEVQOR_NOTIFICATIONS_ADDR", &notifications),
            ("LEVQOR_SUPPORT_ADDR", &support),
            ("LEVQOR_COMPLIANCE_ADDR", &compliance),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &recorder.endpoint()),
            ("SENTRY_DSN", &recorder.dsn()),
        ];
        let process = |arguments: &[&str], own: &[(&str, &str)]| {
            let mut command = levqor(&folder.data(), arguments);
            command.envs(shared).envs(settings.iter().copied()).envs(own.iter().copied());
            command
        };
        let mut daemons = Vec::new();
        let pages =
            ["billing", "notifications", "support", "compliance", "gateway"].map(|role| (role, port()));
        let page = |role: &str| pages.iter().find(|(of, _)| *of == role).map_or("", |(_, page)| page);
        for (role, listen) in [
            ("billing", &billing),
            ("notifications", &notifications),
            ("support", &support),
            ("compliance", &compliance),
        ] {
            let database = of(role, &databases);
            let own = [
                ("LEVQOR_DATABASE_URL", &*postgres.url(database)),
                ("LEVQOR_GRPC_ADDR", listen),
                ("LEVQOR_METRICS_ADDR", page(role)),
            ];
            daemons.push((role, Process::start(process(&["serve", role], &own))));
        }
        let own = [("LEVQOR_HTTP_ADDR", &*gateway), ("LEVQOR_METRICS_ADDR", page("gateway"))];
        daemons.push(("gateway", Process::start(process(&["serve", "gateway"], &own))));
        for (role, daemon) in &mut daemons {
            daemon.until(if *role == "gateway" { "serving" } else { "ready" });
        }
        let http = levqor_runtime::client::local_http_client().expect("client");
        let pages = pages.into();
        Self { recorder, url, pages, databases, daemons, runtime, http, _folder: folder }
    }

    /// Sends a request and gives its status, headers and body.
    pub(crate) fn send(
        &self,
        request: impl FnOnce(&reqwest::Client, &str) -> reqwest::RequestBuilder,
    ) -> (u16, http::HeaderMap, String) {
        self.runtime.block_on(async {
            let answer = request(&self.http, &self.url).send().await.expect("the gateway answers");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.text().await.expect("a body"))
        })
    }

    /// Requests a path this many times, several at once, with or without a token.
    pub(crate) fn flood(&self, path: &str, token: Option<&str>, times: usize) {
        let url = format!("{}{path}", self.url);
        let ask = |_| {
            let request = self.http.get(&url);
            let request = token.iter().fold(request, reqwest::RequestBuilder::bearer_auth);
            async move { request.send().await.expect("the gateway answers").bytes().await.expect("a body") }
        };
        let answers = futures_util::stream::iter(0..times).map(ask).buffer_unordered(16);
        self.runtime.block_on(answers.for_each(|_| async {}));
    }

    /// Posts an event as Stripe would.
    pub(crate) fn deliver(&self, event: &Value) -> (u16, http::HeaderMap, String) {
        let body = event.to_string();
        let signature = stripe::sign(&body);
        self.send(|http, url| {
            http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature).body(body)
        })
    }

    /// Requests a path with a token.
    pub(crate) fn get(&self, path: &str, token: &str) -> (u16, http::HeaderMap, String) {
        self.send(|http, url| http.get(format!("{url}{path}")).bearer_auth(token))
    }

    /// The metrics page of a role.
    pub(crate) fn page(&self, role: &str) -> String {
        let (_, page) = self.pages.iter().find(|(of, _)| *of == role).expect("a role");
        self.runtime.block_on(async {
            let request = self.http.get(format!("http://{page}/metrics"));
            request.send().await.expect("it is shown").text().await.expect("a page")
        })
    }

    /// Changes the tables of a service without the service.
    pub(crate) fn sabotage(&self, service: &str, statement: &str) {
        let database = of(service, &self.databases);
        sql(&self.runtime, database, statement);
    }

    /// Waits until a mail to this address is in the mailbox, for each of the two that follow from an order.
    pub(crate) fn wait_for_mails(&self, address: &str) {
        let path = format!("/v1/messages?recipient={address}&state=STATE_SENT");
        let token = staff();
        self.runtime.block_on(testing::eventually("the two mails", || async {
            let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&token);
            let page: Value = request.send().await.ok()?.json().await.ok()?;
            (page.get("messages")?.as_array()?.len() == 2).then_some(())
        }));
    }

    /// One of the processes.
    pub(crate) fn daemon(&mut self, role: &str) -> &mut Process {
        &mut self.daemons.iter_mut().find(|(name, _)| *name == role).expect("a role").1
    }

    /// Stops all processes, one after the other. Returns the recorder, and the logs of all processes.
    pub(crate) fn stop(self) -> (Recorder, String) {
        let (recorder, said, _) = self.stop_timed();
        (recorder, said)
    }

    /// Like `stop`, and also returns the longest time that a process needed to end after it had stopped serving.
    pub(crate) fn stop_timed(mut self) -> (Recorder, String, TimeDelta) {
        let ends = self.daemons.drain(..).rev().map(|(_, daemon)| end(daemon)).collect();
        self.stopped(ends)
    }

    /// Like `stop_timed`, but stops all processes at once: each may wait for seconds for a receiver that does not answer.
    pub(crate) fn stop_at_once(mut self) -> (Recorder, String, TimeDelta) {
        let stop = |(_, daemon)| std::thread::spawn(move || end(daemon));
        let told: Vec<_> = self.daemons.drain(..).map(stop).collect();
        let ends = told.into_iter().map(|one| one.join().expect("it ends")).collect();
        self.stopped(ends)
    }

    fn stopped(self, ends: Vec<(String, TimeDelta)>) -> (Recorder, String, TimeDelta) {
        let longest = ends.iter().map(|(_, time)| *time).max().unwrap_or_default();
        let said = ends.into_iter().map(|(words, _)| words).collect();
        (self.recorder, said, longest)
    }
}

/// Stops a process. Returns its log, and the time that it needed to end after it had stopped serving.
fn end(daemon: Process) -> (String, TimeDelta) {
    let (status, words) = daemon.stop_and_read(Signal::SIGTERM);
    let ended = Clock::default().now();
    assert!(status.success());
    let stopped = words.lines().rfind(|line| line.contains(" stopped"));
    let time = stopped.and_then(|line| line.split(' ').next()?.parse::<DateTime<Utc>>().ok());
    (words, time.map_or(TimeDelta::zero(), |time| ended - time))
}

/// A token of staff.
pub(crate) fn staff() -> String {
    token(&User { sub: "staff".to_owned(), email: None, email_verified: false, role: Role::Staff })
}

/// A token of this user.
pub(crate) fn token(user: &User) -> String {
    Caller::user(user).authorization().expect("a token").trim_start_matches("Bearer ").to_owned()
}

fn sql(runtime: &tokio::runtime::Runtime, database: &str, statement: &str) {
    runtime.block_on(async {
        let url = cluster().database(database).expect("url");
        let mut conn = sqlx::PgConnection::connect_with(url.options()).await.expect("answers");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut conn).await.expect("done");
    });
}
