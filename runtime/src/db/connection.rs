//! A connection from the pool, given back within a moment or not at all.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, time::timeout};

/// How long a connection may take to show that it lives when it is given back.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// A connection. sqlx asks one whether it lives before it takes it back, and waits for the answer for ever: a server that
/// vanished without a word would keep its place in the pool, until there are none left. Here the answer has its time.
pub struct Conn {
    /// None once it is given back.
    inner: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
}

impl Conn {
    pub(super) fn new(inner: PoolConnection<Postgres>) -> Self {
        Self { inner: Some(inner), in_transaction: false }
    }

    /// Begins a transaction. It ends with the connection's drop, if not before.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        sqlx::raw_sql("BEGIN").execute(&mut **self).await.map(|_| ())
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
        self.inner.as_ref().expect("it is given back by the drop only")
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.inner.as_mut().expect("it is given back by the drop only")
    }
}

impl Drop for Conn {
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever drops it cannot wait, and the drain closes the pool"
    )]
    fn drop(&mut self) {
        let Some(mut conn) = self.inner.take() else { return };
        let in_transaction = self.in_transaction;
        if Handle::try_current().is_err() {
            // The runtime is gone, and so is whatever would take it back.
            drop(conn.detach());
            return;
        }
        tokio::spawn(async move {
            let rolled_back = async {
                if in_transaction {
                    sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await?;
                }
                Ok::<_, sqlx::Error>(())
            };
            if matches!(timeout(GIVE_BACK, rolled_back).await, Ok(Ok(()))) {
                // Cut off, it is closed, and its place is free.
                let _ = timeout(GIVE_BACK, conn.return_to_pool()).await;
            } else {
                drop(conn.detach());
            }
        });
    }
}
