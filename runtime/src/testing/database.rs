//! A PostgreSQL cluster of its own per test binary, and a database per test, cloned from a migrated template.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, Connection, PgConnection, migrate::Migrator};
use tokio::sync::Mutex;

use super::mesh_keys;
use crate::{
    config::Env,
    db::{DatabaseUrl, Db, migrations},
    postgres::{Binaries, Cluster},
    service::Service,
    wakes::Wakes,
};

/// PostgreSQL's programs: those on the machine, or fetched once if there are none.
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
    super::prepare_subscribers();
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
    database_of(S::NAME, S::migrator()).await
}

/// A new database of the service with this name and these migrations.
pub async fn database_of(service: &'static str, migrator: &Migrator) -> DatabaseUrl {
    static TEMPLATES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let template = format!("template_{service}");
    let mut templates = TEMPLATES.lock().await;
    if !templates.contains(service) {
        let url = create_database(&template, None).await;
        migrations::migrate(&url, migrator).await.expect("migrations run");
        templates.insert(service);
    }
    let name = next_database_name();
    let url = create_database(&name, Some(&template)).await;
    drop(templates);
    url
}

/// A copy of a database that is not in use any more, as in a backup.
pub async fn copy_of(url: &DatabaseUrl) -> DatabaseUrl {
    let template = url.options().get_database().expect("a name").to_owned();
    let server = cluster().database("postgres").expect("url");
    let mut conn = PgConnection::connect_with(server.options()).await.expect("the test cluster answers");
    // A pool that is dropped closes its connections a little later.
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
    sqlx::query(end).bind(&template).execute(&mut conn).await.expect("ended");
    create_database(&next_database_name(), Some(&template)).await
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
    // The lock makes concurrent calls run one after the other. PostgreSQL reads its catalogue again after it got the lock, so
    // `runtime.now()` includes the earlier calls.
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

/// Counts rows: `lamps WHERE state = 'LIT'`.
pub async fn count(db: &Db, rows: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {rows}"));
    sqlx::query_scalar(sql).fetch_one(db.pool()).await.expect("counted")
}

/// Executes SQL, for states that no RPC can cause: damaged rows, and rows with times in the past.
pub async fn execute(db: &Db, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db.pool()).await.expect("executed");
}
