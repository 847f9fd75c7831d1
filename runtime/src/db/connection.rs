//! A connection from the pool, given back within a moment or not at all.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{AssertSqlSafe, PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, task_local, time::timeout};

/// How long a connection may take to roll back, and to show that it lives, when it is given back.
const GIVE_BACK: Duration = Duration::from_secs(3);

task_local! {
    /// Whether the connection that this task gives back may be in the middle of a transaction.
    static IN_TRANSACTION: bool;
}

/// What the pool does with a connection before it takes it back: false, or an error, and it is closed.
pub(super) async fn roll_back(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if IN_TRANSACTION.try_get().unwrap_or(false) {
        sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    }
    Ok(true)
}

/// A connection. sqlx asks one whether it lives before it takes it back, and waits for the answer for ever: a server that
/// vanished without a word would keep its place in the pool, until there are none left. Here the answer has its time.
pub struct Conn {
    inner: PoolConnection<Postgres>,
    in_transaction: bool,
}

impl Conn {
    pub(super) fn new(inner: PoolConnection<Postgres>) -> Self {
        Self { inner, in_transaction: false }
    }

    /// Begins a transaction with these settings of PostgreSQL, in one round trip. It ends with the connection's drop, if not before.
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

impl Deref for Conn {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

impl Drop for Conn {
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever drops it cannot wait, and the drain closes the pool"
    )]
    fn drop(&mut self) {
        // From here on it is this future's: dropped before its end, it closes the connection, and its place is free.
        let give_back = IN_TRANSACTION.scope(self.in_transaction, self.inner.return_to_pool());
        // Without a runtime there is nobody who would take it back.
        if Handle::try_current().is_ok() {
            tokio::spawn(timeout(GIVE_BACK, give_back));
        }
    }
}
