//! A pool connection that is returned within a time limit or closed.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, task_local, time::timeout};

/// How long a returned connection may take to roll back and to answer a ping.
const GIVE_BACK: Duration = Duration::from_secs(3);

task_local! {
    /// Whether the connection that this task returns may be inside a transaction.
    static IN_TRANSACTION: bool;
}

/// Cleans a connection before the pool takes it back. The pool closes the connection on false or an error.
pub(super) async fn roll_back(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if IN_TRANSACTION.try_get().unwrap_or(false) {
        sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    }
    Ok(true)
}

/// A pool connection. sqlx pings a returned connection and waits for the answer without a limit. If a server disappears without closing
/// its connections, each of them keeps its slot in the pool, until the pool is empty. This type limits the wait.
pub struct Conn {
    inner: PoolConnection<Postgres>,
    in_transaction: bool,
}

impl Conn {
    pub(super) fn new(inner: PoolConnection<Postgres>) -> Self {
        Self { inner, in_transaction: false }
    }

    /// Begins a transaction with these PostgreSQL settings, in one round trip. It ends when the connection is dropped, if not earlier.
    pub(super) async fn begin(
        &mut self,
        settings: &[(&'static str, &'static str)],
    ) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        let settings = settings.iter().map(|(name, value)| format!("; SET LOCAL {name} = {value}"));
        let begin = format!("BEGIN{}", settings.collect::<String>());
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut **self).await.map(|_| ())
    }

    /// Commits it.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(&mut **self).await?;
        self.in_transaction = false;
        Ok(())
    }
}

connection_in!(Conn.inner);

impl Drop for Conn {
    #[expect(clippy::disallowed_methods, reason = "`drop` cannot wait, and the drain closes the pool")]
    fn drop(&mut self) {
        // From here the future owns the connection. If it is dropped early, it closes the connection and frees its slot in the
        // pool.
        let give_back = IN_TRANSACTION.scope(self.in_transaction, self.inner.return_to_pool());
        // Without a runtime no task can return it.
        if Handle::try_current().is_ok() {
            tokio::spawn(timeout(GIVE_BACK, give_back));
        }
    }
}
