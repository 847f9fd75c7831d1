//! Probes whether a service's database is usable.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use crate::{
    db::{
        DatabaseUrl,
        migrations::{self, History, Schema},
        writes::{self, Writes},
    },
    service::Service,
};

/// Probes the database over its own connection: a busy pool is not a fault of the database.
pub(super) struct Probe {
    url: DatabaseUrl,
    conn: Option<PgConnection>,
    /// The result of the last write probe, and when it ended.
    writes: (Writes, Option<Instant>),
}

impl Probe {
    pub(super) fn new(url: DatabaseUrl) -> Self {
        Self { url, conn: None, writes: (Writes::Unknown, None) }
    }

    /// The state of the tables, none where the database does not answer in time; and whether it takes writes.
    pub(super) async fn ask<S: Service>(&mut self) -> (Option<History>, Writes) {
        const TIMEOUT: Duration = Duration::from_secs(3);
        let history = tokio::time::timeout(TIMEOUT, self.try_ask::<S>()).await.ok().flatten();
        (history, self.writes.0)
    }

    async fn try_ask<S: Service>(&mut self) -> Option<History> {
        let mut conn = if let Some(conn) = self.conn.take() {
            conn
        } else {
            let options = self.url.options().clone().options([writes::WORK_MEM]);
            PgConnection::connect_with(&options).await.ok()?
        };
        let history = migrations::compare(&mut conn, S::migrator()).await.ok()?;
        if matches!(history.schema(), Schema::Current | Schema::Ahead(_)) && self.is_write_due() {
            let found = writes::probe(&mut conn).await.ok()?;
            self.writes = (found, Some(Instant::now()));
        }
        self.conn = Some(conn);
        Some(history)
    }

    /// A write costs the database a flush of its log. A refused write is tried again at the next probe.
    fn is_write_due(&self) -> bool {
        const EVERY: Duration = Duration::from_secs(10);
        let (found, tried) = self.writes;
        found != Writes::Taken || tried.is_none_or(|tried| tried.elapsed() >= EVERY)
    }
}
