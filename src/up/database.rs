//! The databases of `levqor up`: a private cluster, or a server that the operator names.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use levqor_notifications::Notifications;
use levqor_runtime::{
    config::{Env, Setting},
    db::DatabaseUrl,
    postgres::{Account, Cluster},
    service::Service,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::folders::{self, Folders};
use crate::{output, state::DataDir};

/// A private PostgreSQL that ends twice within this time is not restarted.
const AGAIN: Duration = Duration::from_mins(10);

/// The settings of the private cluster.
pub(super) fn settings() -> Vec<Setting> {
    vec![folders::POSTGRES_DIR]
}

/// A server with one database for each service.
pub(super) struct Databases {
    server: DatabaseUrl,
    private: Option<Private>,
    note: String,
}

impl Databases {
    /// Finds the operator's server, or chooses the folders of the private cluster. It starts nothing.
    pub(super) async fn prepare(
        env: &Env,
        data: &DataDir,
        server: Option<DatabaseUrl>,
        account: Option<Account>,
    ) -> anyhow::Result<Self> {
        let user = account.map(|account| format!("; this process runs as the user {}", account.name()));
        let user = user.unwrap_or_default();
        if let Some(server) = server {
            let note = format!("the server of LEVQOR_DATABASE_URL{user}");
            return Ok(Self { server, private: None, note });
        }
        let folders = Folders::make(data.path())?;
        let binaries = folders::binaries(env, &folders.programs).await?;
        let Folders { cluster: folder, moved, .. } = folders;
        let cluster = Cluster::new(binaries, &folder, false)?;
        cluster.prepare().context(CANNOT_START)?;
        let server = cluster.database("postgres").context("the private PostgreSQL has no address")?;
        let why = if moved { ", since its user cannot reach the data directory" } else { "" };
        let note = format!("private, in {}{why}{user}", folder.display());
        Ok(Self { server, private: Some(Private { cluster, folder, state: Arc::default() }), note })
    }

    /// The folder of the private cluster. None if there is no private cluster.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.private.as_ref().map(|private| private.folder.clone())
    }

    /// A description of the databases, in words.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// The database that may hold addresses of an earlier mesh, which only the old key can find. None if no database holds any.
    pub(super) async fn with_addresses(&self) -> anyhow::Result<Option<String>> {
        if let Some(private) = &self.private {
            let made = Cluster::is_made_in(&private.folder);
            return Ok(made.then(|| format!("the database in {}", private.folder.display())));
        }
        let name = name_of(Notifications::NAME);
        let mut conn = connect(&self.server).await?;
        let exists = database_exists(&mut conn, &name).await?;
        conn.close().await?;
        // A database that the operator created in advance is empty and holds no addresses.
        let used = exists && has_messages(&self.server.with_database(&name)).await?;
        Ok(used.then(|| format!("the database {name} on the server of LEVQOR_DATABASE_URL")))
    }

    /// Starts the private cluster. If this future is dropped before it is done, `close` ends the start.
    pub(super) async fn start(&self) -> anyhow::Result<()> {
        match &self.private {
            Some(private) => private.start().await.context(CANNOT_START),
            None => Ok(()),
        }
    }

    /// The database of a service, created if it is missing. On the private server it belongs to the service's own role, which can
    /// connect to no other database. On the operator's server, the operator grants the rights.
    pub(super) async fn of(&self, service: &str) -> anyhow::Result<DatabaseUrl> {
        let name = name_of(service);
        let mut conn = connect(&self.server).await?;
        // The name is a constant of ours and no user input, so SQL injection is not possible.
        let mut statements = Vec::new();
        if let Some(private) = &self.private {
            if !role_exists(&mut conn, &name).await? {
                statements.push(format!(
                    "CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
                ));
            }
            match owner(&mut conn, &name).await? {
                None => statements.push(format!("CREATE DATABASE {name} OWNER {name}")),
                Some(owner) if owner == name => {}
                Some(owner) => bail!(
                    "the database {name} in {} belongs to the role {owner}, as an earlier version made it; `levqor reset` \
                     removes it with everything in it",
                    private.folder.display()
                ),
            }
            statements.push(format!("REVOKE ALL ON DATABASE {name}, postgres, template1 FROM PUBLIC"));
        } else if !database_exists(&mut conn, &name).await? {
            statements.push(format!("CREATE DATABASE {name}"));
        }
        for statement in statements {
            let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await;
            done.with_context(|| format!("cannot make database {name}"))?;
        }
        conn.close().await?;
        Ok(self.private.as_ref().map_or_else(
            || self.server.with_database(&name),
            |private| private_database(&private.folder, service),
        ))
    }

    /// Restarts the private cluster if it ends by itself, but not too often. Returns if a restart cannot help.
    pub(super) async fn keep(&self) -> anyhow::Error {
        let Some(private) = &self.private else { return std::future::pending().await };
        let log = private.folder.join("log");
        let mut last: Option<Instant> = None;
        loop {
            if let Err(error) = private.until_it_ends().await {
                return error.context("cannot watch the private PostgreSQL");
            }
            if last.is_some_and(|last| last.elapsed() < AGAIN) {
                return anyhow::anyhow!(
                    "the private PostgreSQL ended by itself again; its log is {}",
                    log.display()
                );
            }
            last = Some(Instant::now());
            tracing::error!("the private PostgreSQL ended by itself; it is started again");
            output::tell("PostgreSQL ended by itself: starting it again");
            if let Err(error) = private.start().await {
                let what = format!(
                    "the private PostgreSQL ended by itself and cannot be started again; its log is {}",
                    log.display()
                );
                return error.context(what);
            }
            tracing::warn!("the private PostgreSQL runs again");
            output::tell("PostgreSQL runs again");
        }
    }

    /// Stops the private cluster, or ends its start.
    pub(super) fn close(&self) {
        if let Some(private) = &self.private {
            private.close();
        }
    }
}

impl Drop for Databases {
    /// `drop` also runs if a panic ends the process.
    fn drop(&mut self) {
        self.close();
    }
}

const CANNOT_START: &str = "cannot start the private PostgreSQL";

/// The private cluster.
struct Private {
    cluster: Cluster,
    folder: PathBuf,
    state: Arc<State>,
}

/// The state that the start and the stop share.
#[derive(Default)]
struct State {
    closed: AtomicBool,
    /// Held during a start or a stop.
    busy: Mutex<()>,
}

impl Private {
    async fn start(&self) -> anyhow::Result<()> {
        let (cluster, state) = (self.cluster.clone(), Arc::clone(&self.state));
        let start = move || {
            let _busy = state.busy.lock().unwrap_or_else(PoisonError::into_inner);
            cluster.start_unless(&|| state.closed.load(Ordering::SeqCst))
        };
        Ok(tokio::task::spawn_blocking(start).await.context("the start was cancelled")??)
    }

    /// Waits until the server ends. Returns at once if no server runs.
    async fn until_it_ends(&self) -> anyhow::Result<()> {
        let Some(server) = self.cluster.server()? else { return Ok(()) };
        server.ended().await.context("nobody waits for the server")
    }

    fn close(&self) {
        if self.state.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        // A start in progress sees that it is cancelled and cleans up.
        let _busy = self.state.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.cluster.stop() {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot stop the private PostgreSQL");
        }
    }
}

async fn connect(server: &DatabaseUrl) -> anyhow::Result<PgConnection> {
    PgConnection::connect_with(server.options()).await.context("cannot connect to PostgreSQL")
}

async fn database_exists(conn: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    Ok(owner(conn, name).await?.is_some())
}

/// Whether this database of notifications holds any messages.
async fn has_messages(database: &DatabaseUrl) -> anyhow::Result<bool> {
    let mut conn = connect(database).await?;
    let is_made: bool =
        sqlx::query_scalar("SELECT to_regclass('messages') IS NOT NULL").fetch_one(&mut conn).await?;
    let has =
        is_made && sqlx::query_scalar("SELECT EXISTS (SELECT FROM messages)").fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok(has)
}

/// The owner of a database. None if the database does not exist.
async fn owner(conn: &mut PgConnection, name: &str) -> anyhow::Result<Option<String>> {
    let owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
    Ok(sqlx::query_scalar(owner).bind(name).fetch_optional(conn).await?)
}

async fn role_exists(conn: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let exists = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
    Ok(sqlx::query_scalar(exists).bind(name).fetch_one(conn).await?)
}

/// The name of the database of a service, and of the role that owns it.
pub(crate) fn name_of(service: &str) -> String {
    format!("levqor_{service}")
}

/// The database of a service in the private cluster of this folder, with the service's own credentials.
pub(crate) fn private_database(folder: &Path, service: &str) -> DatabaseUrl {
    let name = name_of(service);
    DatabaseUrl::on_socket(folder, &name, &name)
}
