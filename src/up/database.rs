//! The databases of `levqor up`: a private cluster, or a server that the operator names.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use levqor_runtime::{
    config::{Env, Setting},
    db::DatabaseUrl,
    postgres::{Binaries, Cluster},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{output, state::DataDir};

const POSTGRES_DIR: Setting = Setting::plain(
    "LEVQOR_POSTGRES_DIR",
    None,
    "Folder with PostgreSQL's programs, for `levqor up`. Default: Debian's newest, or those on PATH, or fetched.",
);
/// Where everything of PostgreSQL's goes that its user could not reach in the data directory.
const SYSTEM_FOLDER: &str = "/var/lib/levqor";
/// How long fetching PostgreSQL may take.
const FETCH_TIMEOUT: Duration = Duration::from_mins(5);

/// Settings of the private cluster.
pub(super) fn settings() -> Vec<Setting> {
    vec![POSTGRES_DIR]
}

/// A server with a database per service.
pub(super) struct Databases {
    server: DatabaseUrl,
    cluster: Option<Cluster>,
    folder: Option<PathBuf>,
    note: String,
}

impl Databases {
    /// Opens the operator's server, or the private cluster.
    pub(super) async fn open(env: &Env, data: &DataDir, server: Option<DatabaseUrl>) -> anyhow::Result<Self> {
        if let Some(server) = server {
            return Ok(Self {
                server,
                cluster: None,
                folder: None,
                note: "the server of LEVQOR_DATABASE_URL".to_owned(),
            });
        }
        let place = Place::choose(data.path())?;
        let binaries = binaries(env, &place.programs).await?;
        let Place { folder, moved, .. } = place;
        let cluster = Cluster::new(binaries, &folder, false)?;
        cluster.start().context("cannot start the private PostgreSQL")?;
        let server = cluster.database("postgres").context("the private PostgreSQL has no address")?;
        let why = if moved { ", since its user cannot reach the data directory" } else { "" };
        let note = format!("private, in {}{why}", folder.display());
        Ok(Self { server, cluster: Some(cluster), folder: Some(folder), note })
    }

    /// The folder of the private cluster; none where there is none.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.clone()
    }

    /// Where the databases are, in words.
    pub(super) fn note(&self) -> &str {
        &self.note
    }

    /// A service's database, made if it is not there.
    pub(super) async fn of(&self, service: &str) -> anyhow::Result<DatabaseUrl> {
        let name = name_of(service);
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

/// What the database of a service is called.
pub(crate) fn name_of(service: &str) -> String {
    format!("levqor_{service}")
}

/// PostgreSQL's programs: those that the operator names, those of this machine, or fetched ones.
async fn binaries(env: &Env, fetched: &Path) -> anyhow::Result<Binaries> {
    if let Some(named) = env.get(&POSTGRES_DIR.name) {
        let absolute = std::path::absolute(named).context("LEVQOR_POSTGRES_DIR is not a path")?;
        return Binaries::within(&absolute).with_context(|| {
            format!("LEVQOR_POSTGRES_DIR: there is no `initdb` and `postgres` in {}", absolute.display())
        });
    }
    if let Some(binaries) = Binaries::find(env.get("PATH").unwrap_or_default()) {
        return Ok(binaries);
    }
    output::lines("PostgreSQL is not installed here: fetching it, which may take a few minutes")?;
    let late = "PostgreSQL is not installed, and fetching it took too long";
    Ok(tokio::time::timeout(FETCH_TIMEOUT, Binaries::fetch(fetched)).await.context(late)??)
}

/// Where PostgreSQL is on this machine.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The private cluster.
    folder: PathBuf,
    /// Programs that were fetched.
    programs: PathBuf,
    /// Whether that is elsewhere than in the data directory.
    moved: bool,
}

impl Place {
    fn choose(data: &Path) -> anyhow::Result<Self> {
        let reachable = Cluster::can_reach(&data.join("postgres"))?;
        if !reachable {
            let failed = || format!("cannot use {SYSTEM_FOLDER}");
            fs::create_dir_all(SYSTEM_FOLDER).with_context(failed)?;
            // Whatever root's umask is: PostgreSQL's user must be able to pass.
            fs::set_permissions(SYSTEM_FOLDER, fs::Permissions::from_mode(0o711)).with_context(failed)?;
        }
        Ok(Self::of(data, reachable))
    }

    /// The programs go where the cluster goes: whoever runs them must reach both.
    fn of(data: &Path, reachable: bool) -> Self {
        if reachable {
            return Self { folder: data.join("postgres"), programs: data.join("postgresql"), moved: false };
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, data.as_os_str().as_encoded_bytes());
        let name = hex::encode(digest.as_ref().get(..6).unwrap_or_default());
        let system = Path::new(SYSTEM_FOLDER);
        Self { folder: system.join(name), programs: system.join("postgresql"), moved: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetched_programs_stay_beside_the_cluster() {
        let data = Path::new("/root/.local/share/levqor");
        let inside = Place::of(data, true);
        assert_eq!((inside.folder.parent(), inside.programs.parent()), (Some(data), Some(data)));
        let moved = Place::of(data, false);
        let system = Some(Path::new(SYSTEM_FOLDER));
        assert_eq!((moved.folder.parent(), moved.programs.parent()), (system, system));
        assert!(moved.moved && moved.folder != moved.programs);
    }
}
