//! The test harness: a PostgreSQL cluster of its own per test binary, a database per test cloned from a migrated
//! template, a service on a port of its own, and the actors that call it.
#![expect(clippy::missing_panics_doc, reason = "a harness panics: that is how a test fails")]

mod log;
pub mod process;
pub mod recorder;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

pub use log::Log;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Mutex;

use crate::{
    client::Outgoing,
    clock::Clock,
    config::{Env, Reader},
    context::{Role, User},
    db::{DatabaseUrl, Db, migrations},
    postgres::{Binaries, Cluster},
    run::{self, Running, ServiceConfig},
    service::Service,
    token::{MeshKeys, ServiceTokens, sign_with_secret},
    work::Wakes,
};

/// The key that signs service tokens in tests.
pub const MESH_KEY: &str = "the mesh key of tests which is long enough";
/// The secret that signs users' tokens in tests.
pub const JWT_SECRET: &str = "the shared secret of tests which is long enough";

/// Waits for a condition, a minute at most; the only waiting that tests do.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets time pass: for fakes that are slow, or late, because a test wants it. Tests wait for conditions.
pub async fn delay(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Has this hear what is logged on this thread, and so by everything of a test, whose runtime has one thread. To be used in
/// place of tracing's own `set_default`: where one subscriber only was ever made, tracing asks the thread that comes by a place
/// first whether anybody wants to hear of it, and keeps the answer for all; the thread of another test says no.
#[expect(clippy::disallowed_methods, reason = "this is the one place that does it safely")]
pub fn hear<S>(subscriber: S) -> tracing::subscriber::DefaultGuard
where
    S: tracing::Subscriber + Send + Sync + 'static,
{
    hear_on_every_thread();
    tracing::subscriber::set_default(subscriber)
}

/// Makes two subscribers, of whom nobody hears anything: from then on all that there are are asked.
fn hear_on_every_thread() {
    static OTHERS: LazyLock<[tracing::Dispatch; 2]> =
        LazyLock::new(|| [(); 2].map(|()| tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new())));
    LazyLock::force(&OTHERS);
}

/// Runs something beside the test.
#[expect(clippy::disallowed_methods, reason = "in a test there is no drain that would have to wait")]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// PostgreSQL's programs: those on the machine, or fetched once where there are none.
#[must_use]
pub fn binaries() -> Binaries {
    let env = Env::from_process();
    Binaries::find(env.get("PATH").unwrap_or_default()).unwrap_or_else(|| {
        let fetch = || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(Binaries::fetch(&PathBuf::from("/var/tmp/levqor-postgresql")))
        };
        let fetched = std::thread::spawn(fetch).join().expect("no panic");
        fetched.expect("PostgreSQL is not installed and could not be fetched")
    })
}

/// The cluster of this test binary.
#[must_use]
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<(Cluster, std::process::Child)> = OnceLock::new();
    hear_on_every_thread();
    &CLUSTER
        .get_or_init(|| {
            let binaries = binaries();
            let folder = PathBuf::from(format!("/tmp/levqor-test-{}", crate::id::request_id()));
            let cluster = Cluster::new(binaries, &folder, true).expect("an account for PostgreSQL");
            cluster.start().expect("the test cluster starts");
            let remover = cluster.remove_with_this_process().expect("a remover");
            (cluster, remover)
        })
        .0
}

/// A new database of this service, migrated.
pub async fn database<S: Service>() -> DatabaseUrl {
    static TEMPLATES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let template = format!("template_{}", S::NAME);
    let mut templates = TEMPLATES.lock().await;
    if !templates.contains(S::NAME) {
        let url = create_database(&template, None).await;
        migrations::migrate(&url, S::migrator()).await.expect("migrations run");
        templates.insert(S::NAME);
    }
    let name = next_database_name();
    let url = create_database(&name, Some(&template)).await;
    drop(templates);
    url
}

/// A new database without any tables.
pub async fn empty_database() -> DatabaseUrl {
    create_database(&next_database_name(), None).await
}

fn next_database_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn create_database(name: &str, template: Option<&str>) -> DatabaseUrl {
    let cluster = cluster();
    let server = cluster.database("postgres").expect("url");
    let mut conn = PgConnection::connect_with(server.options()).await.expect("the test cluster answers");
    let template = template.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} {template}")))
        .execute(&mut conn)
        .await
        .expect("created");
    cluster.database(name).expect("url")
}

/// A database handle for looking into a service's tables, or for moving its time.
#[must_use]
pub fn connect(url: &DatabaseUrl) -> Db {
    Db::new(url, "test", 4, Wakes::default(), mesh_keys().pseudonyms())
}

/// Moves the mesh's time in one database.
pub async fn advance(db: &Db, by: TimeDelta) {
    // One after the other, over a lock after which PostgreSQL looks at its catalogue anew.
    let statement = format!(
        "DO $$
         DECLARE moved interval;
         BEGIN
             LOCK TABLE runtime.migrations IN EXCLUSIVE MODE;
             moved := runtime.now() - statement_timestamp() + interval '{} microseconds';
             EXECUTE format(
                 'CREATE OR REPLACE FUNCTION runtime.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
                  RETURN statement_timestamp() + %L::interval', moved
             );
         END $$",
        by.num_microseconds().expect("an interval")
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(db.pool()).await.expect("time moves");
}

/// The mesh's keys in tests.
fn mesh_keys() -> MeshKeys {
    let env = Env::from_pairs([("LEVQOR_MESH_KEY", MESH_KEY)]);
    MeshKeys::read(&mut Reader::new(&env)).expect("keys")
}

/// Who calls in a test.
#[derive(Clone)]
pub struct Caller {
    bearer: Option<SecretString>,
    key: Option<String>,
}

impl Caller {
    /// Nobody.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { bearer: None, key: None }
    }

    /// A person.
    #[must_use]
    pub fn user(user: &User) -> Self {
        let expires = Clock::default().now().timestamp() + 3600;
        let secret = SecretString::from(JWT_SECRET.to_owned());
        let token = sign_with_secret(&secret, user, "https://levqor.ai", "levqor", expires).expect("token");
        Self { bearer: Some(token), key: None }
    }

    /// A customer with a verified address.
    #[must_use]
    pub fn customer(sub: &str, email: &str) -> Self {
        Self::user(&User {
            sub: sub.to_owned(),
            email: email.parse().ok(),
            email_verified: true,
            role: Role::Customer,
        })
    }

    /// A customer whose address nobody vouches for.
    #[must_use]
    pub fn unverified(sub: &str, email: &str) -> Self {
        Self::user(&User {
            sub: sub.to_owned(),
            email: email.parse().ok(),
            email_verified: false,
            role: Role::Customer,
        })
    }

    /// Staff.
    #[must_use]
    pub fn staff() -> Self {
        Self::user(&User { sub: "staff".to_owned(), email: None, email_verified: false, role: Role::Staff })
    }

    /// An administrator.
    #[must_use]
    pub fn admin() -> Self {
        Self::user(&User { sub: "admin".to_owned(), email: None, email_verified: false, role: Role::Admin })
    }

    /// A service that calls another.
    #[must_use]
    pub fn service(from: &str, to: &str) -> Self {
        let token = ServiceTokens::new(&mesh_keys(), Clock::default()).mint(from, to).expect("token");
        Self { bearer: Some(token), key: None }
    }

    /// The same caller, with an idempotency key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { bearer: self.bearer.clone(), key: Some(key.to_owned()) }
    }

    /// A request of this caller.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.carried().request(message)
    }

    /// What a call of this caller carries.
    #[must_use]
    pub fn carried(&self) -> Outgoing<'_> {
        Outgoing {
            bearer: self.bearer.as_ref(),
            request_id: "test",
            idempotency_key: self.key.as_deref(),
            timeout: Duration::from_secs(30),
        }
    }

    /// The value of the `authorization` header.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.bearer.as_ref().map(|bearer| format!("Bearer {}", bearer.expose_secret()))
    }
}

/// A service under test, alone: what it defers to others stays in its table.
pub struct TestService<S: Service> {
    /// The running service.
    pub running: Running<S>,
    /// Its database.
    pub db: Db,
    /// The same, as an address.
    pub url: DatabaseUrl,
}

impl<S: Service> TestService<S> {
    /// Starts the service with a database of its own and these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(database::<S>().await, settings).await
    }

    /// Starts the service on this database.
    pub async fn start_on(url: DatabaseUrl, settings: &[(&str, &str)]) -> Self {
        let running = run::start(config::<S>(&url, settings)).await.expect("the service starts");
        Self { running, db: connect(&url), url }
    }

    /// A channel to it.
    #[must_use]
    pub fn channel(&self) -> crate::client::Peer {
        self.running.chassis().channels.get(S::NAME).expect("its own channel")
    }

    /// Moves the mesh's time, and lets the workers see what is due now.
    pub async fn advance(&self, by: TimeDelta) {
        advance(&self.db, by).await;
        let wakes = &self.running.chassis().wakes;
        wakes.deferred.notify_one();
        wakes.journal.notify_one();
    }

    /// Stops it as the orchestrator would.
    pub async fn stop(self) {
        self.running.drain().await;
    }
}

/// A service's configuration for tests: any free port, fixed keys, other services nowhere.
#[must_use]
pub fn config<S: Service>(url: &DatabaseUrl, settings: &[(&str, &str)]) -> ServiceConfig<S> {
    let mut env = Env::from_pairs(settings.iter().copied());
    env.set_default("LEVQOR_DATABASE_URL", "postgres://replaced/below");
    env.set_default("LEVQOR_GRPC_ADDR", "127.0.0.1:0");
    env.set_default("LEVQOR_DRAIN_DELAY_MS", "0");
    env.set_default("LEVQOR_MESH_KEY", MESH_KEY);
    env.set_default("LEVQOR_JWT_SECRET", JWT_SECRET);
    for service in run::register::<S>().services() {
        // Nobody listens on port 1.
        env.set_default(&format!("LEVQOR_{}_ADDR", service.to_uppercase()), "127.0.0.1:1");
    }
    let mut reader = Reader::new(&env);
    let config = ServiceConfig::read(&mut reader);
    let mut config = reader.finish(config).expect("the settings of the test are valid");
    config.database_url = url.clone();
    config
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

    use super::*;

    struct Count(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_test_hears_what_another_thread_has_come_by_first() {
        let said = || tracing::warn!("it is said");
        let heard = Arc::new(AtomicUsize::new(0));
        let _hears = hear(tracing_subscriber::registry().with(Count(Arc::clone(&heard))));
        std::thread::spawn(said).join().expect("no panic");
        assert_eq!(heard.load(Ordering::SeqCst), 0, "that thread is another test's");
        said();
        assert_eq!(heard.load(Ordering::SeqCst), 1);
    }
}
