//! PostgreSQL: the pool, transactions that stay correct if the caller disconnects, and the only code that reads SQLSTATEs.

/// Makes a type that holds a connection usable as this connection.
macro_rules! connection_in {
    ($Holder:ident.$field:tt) => {
        impl std::ops::Deref for $Holder {
            type Target = sqlx::PgConnection;

            fn deref(&self) -> &sqlx::PgConnection {
                &self.$field
            }
        }

        impl std::ops::DerefMut for $Holder {
            fn deref_mut(&mut self) -> &mut sqlx::PgConnection {
                &mut self.$field
            }
        }
    };
}

mod connection;
mod listed;
pub mod migrations;
mod paging;
mod row;
pub mod writes;

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::time::timeout;

pub use connection::Conn;
pub use listed::Listed;
pub use paging::Page;
pub(crate) use paging::hash_of_parts;
pub use row::{known, known_if_any, not_known, one_row};

use crate::{
    metrics::{Metrics, PoolMetrics},
    pseudonyms::Pseudonyms,
    service_error,
    wakes::Wakes,
};

/// A connection that was idle for longer than this is tested before use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long to wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(3);
/// The planner settings of statements that claim or settle work. While no work waits, their tables are empty, and a plan that reads the
/// whole table looks cheap. PostgreSQL keeps that plan until it analyses the table again, but a backlog may come earlier. With these
/// settings it always finds rows by an index. `jit` is off because the disabled plan types get a high cost, and PostgreSQL would compile
/// such a plan. These statements write a join by a key as `t.key = ANY (ARRAY[other.key])`: with `=`, PostgreSQL may read the whole index
/// of the key in its order. `tests/plans.rs` finds statements without this form.
const BY_INDEX: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// A database's address, `postgres://user:password@host/database`. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

impl FromStr for DatabaseUrl {
    type Err = sqlx::Error;

    fn from_str(text: &str) -> Result<Self, sqlx::Error> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(sqlx::Error::Configuration("not a PostgreSQL URL".into()));
        }
        PgConnectOptions::from_str(text).map(Self)
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DatabaseUrl(…)")
    }
}

impl DatabaseUrl {
    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self(self.0.clone().database(name))
    }

    /// A database of the private server whose socket is in this folder. Every option is set here, because sqlx takes the others
    /// from `PG*` variables, which are about other servers. (`PGOPTIONS` cannot be overridden here; the binary removes that
    /// variable.)
    #[must_use]
    pub fn on_socket(folder: &std::path::Path, user: &str, database: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass().host("localhost").port(5432).socket(folder);
        let options = options.username(user).database(database).password("");
        Self(options.ssl_mode(PgSslMode::Disable).application_name("levqor"))
    }

    /// The options to connect with.
    #[must_use]
    pub fn options(&self) -> &PgConnectOptions {
        &self.0
    }

    /// The options of a connection under this name.
    pub(crate) fn options_of(&self, name: &str) -> PgConnectOptions {
        self.0.clone().application_name(&format!("levqor-{name}"))
    }
}

service_error! {
    /// Why a use of the database fails.
    #[derive(Debug, thiserror::Error)]
    pub enum DbError {
        /// The server does not answer, or is closing.
        #[error("the database does not answer")]
        Unavailable(#[source] sqlx::Error) => Unavailable "DATABASE_UNAVAILABLE" after 1 s,
        /// A named constraint was violated.
        #[error("the constraint {name} was violated")]
        Constraint {
            /// The constraint.
            name: String,
            /// The error of the database.
            source: sqlx::Error,
        } => Internal "INTERNAL",
        /// Another transaction conflicted with this one; a retry may succeed.
        #[error("another transaction conflicted with this one")]
        Conflict(#[source] sqlx::Error) => Aborted "CONFLICT" after 1 s,
        /// A caller's text has a character that the server cannot store, and no earlier check refused it. It is a mistake of the
        /// caller.
        #[error("a text has a character that the database cannot store")]
        TextNotStorable(#[source] sqlx::Error) => InvalidArgument "TEXT_NOT_STORABLE",
        /// Any other error is a bug of ours.
        #[error("the database refused a statement")]
        Statement(#[source] sqlx::Error) => Internal "INTERNAL",
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // https://www.postgresql.org/docs/current/errcodes-appendix.html: serialisation failure, deadlock, lock
                // not available, statement timeout.
                Some("40001" | "40P01" | "55P03" | "57014") => Self::Conflict(error),
                // Connection exceptions, shutdowns, start-up, too many connections, a missing database, a read-only
                // database.
                Some("57P01" | "57P02" | "57P03" | "3D000" | "25006") => Self::Unavailable(error),
                // 53: insufficient resources: disk, memory or connections.
                Some(code) if code.starts_with("08") || code.starts_with("53") => Self::Unavailable(error),
                // Character not in repertoire, untranslatable character. NUL is both.
                Some("22021" | "22P05") => Self::TextNotStorable(error),
                Some(code) if code.starts_with("23") => {
                    let name = database.constraint().unwrap_or_default().to_owned();
                    Self::Constraint { name, source: error }
                }
                _ => Self::Statement(error),
            },
            _ => Self::Statement(error),
        }
    }
}

/// One service's database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: PgPool,
    wakes: Wakes,
    pseudonyms: Pseudonyms,
    metrics: Option<PoolMetrics>,
}

impl Db {
    /// A pool that connects on first use, so that a service can start and report its state while its database is down.
    #[must_use]
    pub fn new(
        url: &DatabaseUrl,
        service: &str,
        max_connections: u32,
        wakes: Wakes,
        pseudonyms: Pseudonyms,
    ) -> Self {
        let options = url.options_of(service).options([
            // Our statements are short. A longer one is stuck.
            ("statement_timeout", "10s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE)
            // A connection that was just in use still works. A test before each use would double the round trips.
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_release(|conn, _| Box::pin(connection::roll_back(conn)))
            .connect_lazy_with(options);
        Self { pool, wakes, pseudonyms, metrics: None }
    }

    /// Adds the metrics of its pool.
    #[must_use]
    pub fn measured(mut self, metrics: &Metrics, service: &str) -> Self {
        self.metrics = Some(PoolMetrics::new(metrics, service, &self.pool));
        self
    }

    /// The pool, for reads that need no transaction.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection.
    pub async fn acquire(&self) -> Result<Conn, DbError> {
        let acquire = self.pool.acquire();
        Ok(Conn::new(match &self.metrics {
            Some(metrics) => metrics.wait(acquire).await?,
            None => acquire.await?,
        }))
    }

    /// A connection outside the pool, for shared commits. They repeat one statement, which may settle work.
    pub(crate) async fn connect(&self) -> Result<PgConnection, DbError> {
        let options = (*self.pool.connect_options()).clone().options(BY_INDEX.iter().copied());
        let connected = timeout(ACQUIRE, PgConnection::connect_with(&options)).await;
        Ok(connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
    }

    /// Begins a transaction. If the future of sqlx's `begin` is dropped before its end, the connection returns to the pool with an open
    /// transaction. This `begin` rolls it back first, even if the caller disconnects.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        self.begin_with(&[]).await
    }

    /// Begins a transaction that claims or settles work: its statements find rows by an index.
    pub async fn begin_work(&self) -> Result<Tx, DbError> {
        self.begin_with(BY_INDEX).await
    }

    async fn begin_with(&self, settings: &[(&'static str, &'static str)]) -> Result<Tx, DbError> {
        let mut inner = self.acquire().await?;
        inner.begin(settings).await?;
        Ok(Tx {
            inner,
            wakes: self.wakes.clone(),
            pseudonyms: self.pseudonyms.clone(),
            defers: false,
            after_commit: Vec::new(),
            now: None,
            locale: String::new(),
        })
    }

    /// Begins a transaction that reads a page of a list. It may also write, if the read claims rows.
    pub async fn begin_list(&self) -> Result<ListTx, DbError> {
        let mut inner = self.acquire().await?;
        inner.begin(&[("plan_cache_mode", "force_custom_plan")]).await?;
        Ok(ListTx(inner))
    }
}

/// An open transaction in which a page of a list is read. Each filter may be set or not, and the page may be the first: a generic
/// plan for all these cases would read every row in the list's order. Here each statement gets a plan for its own values. Dropping it rolls
/// the transaction back.
pub struct ListTx(Conn);

impl ListTx {
    /// Commits it.
    pub async fn commit(mut self) -> Result<(), DbError> {
        Ok(self.0.commit().await?)
    }
}

connection_in!(ListTx.0);

/// An open transaction. Dropping it rolls it back.
pub struct Tx {
    inner: Conn,
    wakes: Wakes,
    pseudonyms: Pseudonyms,
    defers: bool,
    after_commit: Vec<Box<dyn FnOnce() + Send + Sync>>,
    now: Option<DateTime<Utc>>,
    locale: String,
}

impl Tx {
    /// The time by PostgreSQL's clock, which all replicas share. It is read once, so all rows of the transaction get the same time.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, DbError> {
        let now = match self.now {
            Some(now) => now,
            None => now(&mut self.inner).await?,
        };
        self.now = Some(now);
        Ok(now)
    }

    /// Runs an action only after a successful commit: metrics, logs, wake-ups.
    pub fn after_commit(&mut self, action: impl FnOnce() + Send + Sync + 'static) {
        self.after_commit.push(Box::new(action));
    }

    /// The language and region of the calling customer (BCP 47), for the mails of this call. Empty if they are unknown, or if the caller is
    /// no customer.
    #[must_use]
    pub fn locale(&self) -> &str {
        &self.locale
    }

    pub(crate) fn set_locale(&mut self, locale: String) {
        self.locale = locale;
    }

    /// Commits. Then wakes the worker if a call was deferred, and runs the actions of `after_commit`.
    pub async fn commit(mut self) -> Result<(), DbError> {
        self.inner.commit().await?;
        if self.defers {
            self.wakes.deferred.notify_one();
        }
        for action in self.after_commit {
            action();
        }
        Ok(())
    }

    /// The pseudonyms of people, for the audit chain.
    pub(crate) fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    pub(crate) fn mark_deferring(&mut self) {
        self.defers = true;
    }
}

connection_in!(Tx.inner);

/// The time by PostgreSQL's clock, which all replicas share.
pub async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, DbError> {
    Ok(sqlx::query_scalar!(r#"SELECT runtime.now() AS "now!""#).fetch_one(conn).await?)
}
