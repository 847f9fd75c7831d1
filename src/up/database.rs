//! The databases of `levqor up`: a private cluster, or a server that the operator names.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use levqor_runtime::{
    config::Env,
    db::DatabaseUrl,
    postgres::{Binaries, Cluster},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::state::DataDir;

/// Where a private cluster goes that PostgreSQL's user could not reach in the data directory.
const SYSTEM_FOLDER: &str = "/var/lib/levqor";
/// How long fetching PostgreSQL may take.
const FETCH_TIMEOUT: Duration = Duration::from_mins(5);

/// A server with a database per service.
pub(super) struct Databases {
    server: DatabaseUrl,
    cluster: Option<Cluster>,
    note: String,
}

impl Databases {
    /// Opens the operator's server, or the private cluster.
    pub(super) async fn open(env: &Env, data: &DataDir, server: Option<DatabaseUrl>) -> anyhow::Result<Self> {
        if let Some(server) = server {
            return Ok(Self { server, cluster: None, note: "the server of LEVQOR_DATABASE_URL".to_owned() });
        }
        let binaries = match Binaries::find(env.get("PATH").unwrap_or_default()) {
            Some(binaries) => binaries,
            None => tokio::time::timeout(FETCH_TIMEOUT, Binaries::fetch(&data.path().join("postgresql")))
                .await
                .context("PostgreSQL is not installed, and fetching it took too long")??,
        };
        let (folder, moved) = folder(data.path())?;
        let cluster = Cluster::new(binaries, &folder, false)?;
        cluster.start().context("cannot start the private PostgreSQL")?;
        let server = cluster.database("postgres").context("the private PostgreSQL has no address")?;
        let why = if moved { ", since its user cannot reach the data directory" } else { "" };
        let note = format!("private, in {}{why}", folder.display());
        Ok(Self { server, cluster: Some(cluster), note })
    }

    /// Where the databases are, in words.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// A service's database, made if it is not there.
    pub(super) async fn of(&self, service: &str) -> anyhow::Result<DatabaseUrl> {
        let name = format!("levqor_{service}");
        let mut conn = PgConnection::connect_with(self.server.options())
            .await
            .context("cannot connect to PostgreSQL")?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut conn)
            .await?;
        if !exists {
            // The name is ours, not anybody's input.
            let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::raw_sql(create)
                .execute(&mut conn)
                .await
                .with_context(|| format!("cannot make database {name}"))?;
        }
        conn.close().await?;
        Ok(self.server.with_database(&name))
    }

    /// Stops the private cluster.
    pub(super) fn close(&self) {
        if let Some(cluster) = &self.cluster
            && let Err(error) = cluster.stop()
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot stop the private PostgreSQL");
        }
    }
}

/// Where the private cluster goes, and whether that is elsewhere than in the data directory.
fn folder(data: &Path) -> anyhow::Result<(PathBuf, bool)> {
    let inside = data.join("postgres");
    if Cluster::can_reach(&inside)? {
        return Ok((inside, false));
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, data.as_os_str().as_encoded_bytes());
    let name = hex::encode(digest.as_ref().get(..6).unwrap_or_default());
    Ok((Path::new(SYSTEM_FOLDER).join(name), true))
}
