//! The PostgreSQL of a benchmark. It runs with fsync.

use std::{path::PathBuf, process::Child};

use anyhow::Context;
use levqor_runtime::{
    config::Env,
    postgres::{Binaries, Cluster},
};
use sqlx::{Connection, PgConnection};

/// PostgreSQL, which ends with this process. It has the table on which the floor is measured.
pub(crate) struct Server {
    cluster: Cluster,
    _remover: Child,
}

impl Server {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let env = Env::from_process();
        let binaries =
            Binaries::find(env.get("PATH").unwrap_or_default()).context("PostgreSQL is not installed")?;
        let folder = PathBuf::from(format!("/tmp/levqor-bench-{}", std::process::id()));
        let cluster = Cluster::new(binaries, &folder, false)?;
        cluster.start()?;
        let server = Self { _remover: cluster.remove_with_this_process()?, cluster };
        let floor =
            "CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)";
        server.execute(floor).await?;
        // Shows when the transaction that deferred a call was committed.
        server.execute("ALTER SYSTEM SET track_commit_timestamp = on").await?;
        server.execute("ALTER SYSTEM SET min_wal_size = '1GB'").await?;
        server.cluster.stop()?;
        server.cluster.start()?;
        server.fill_wal().await?;
        Ok(server)
    }

    /// Writes WAL until the server has segment files to recycle. A new server has to create and sync each segment of 16 MB, which
    /// takes longer.
    async fn fill_wal(&self) -> anyhow::Result<()> {
        let written = "SELECT count(pg_logical_emit_message(false, '', repeat('0', 1000000))) FROM generate_series(1, 1200)";
        self.execute(written).await?;
        self.execute("CHECKPOINT").await
    }

    /// The URL of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// Executes the statement in the database `postgres`.
    pub(crate) async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        let mut conn = PgConnection::connect(&self.url("postgres")).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await?;
        Ok(())
    }
}
