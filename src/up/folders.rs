//! Chooses the folders of the private PostgreSQL: one for its database, and one for its programs if they are downloaded.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use levqor_runtime::{
    config::{Env, Setting},
    postgres::{Binaries, Cluster},
};

use crate::output;

pub(super) const POSTGRES_DIR: Setting = Setting::plain(
    "LEVQOR_POSTGRES_DIR",
    None,
    "Folder with PostgreSQL's programs, for `levqor up`. Default: the newest version that Debian installed, else the programs on PATH, else downloaded ones.",
);
/// The folder for PostgreSQL's files if its user cannot reach the data directory.
const SYSTEM_FOLDER: &str = "/var/lib/levqor";
/// How long the download of PostgreSQL may take.
const FETCH_TIMEOUT: Duration = Duration::from_mins(5);

/// The folders of PostgreSQL on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// The folder of the private cluster.
    pub(crate) cluster: PathBuf,
    /// The folder of fetched programs.
    pub(super) programs: PathBuf,
    /// Whether the folders are outside the data directory.
    pub(crate) moved: bool,
}

impl Folders {
    /// Chooses the folders, and creates them if they are outside the data directory.
    pub(crate) fn make(data: &Path) -> anyhow::Result<Self> {
        let folders = Self::find(data)?;
        if folders.moved {
            let failed = || format!("cannot use {SYSTEM_FOLDER}");
            fs::create_dir_all(SYSTEM_FOLDER).with_context(failed)?;
            // Sets the permissions whatever root's umask is: PostgreSQL's user must be able to traverse the folder.
            fs::set_permissions(SYSTEM_FOLDER, fs::Permissions::from_mode(0o711)).with_context(failed)?;
        }
        Ok(folders)
    }

    /// Finds the folders. A cluster that was made before is found again, even if the permissions have changed since. If
    /// PostgreSQL's user can no longer reach the cluster, this is an error: a second, empty database would hide the data of the
    /// first.
    pub(crate) fn find(data: &Path) -> anyhow::Result<Self> {
        let reachable = Cluster::can_reach(&data.join("postgres"))?;
        let (inside, moved) = (Self::of(data, true), Self::of(data, false));
        let made = |folders: &Self| Cluster::is_made_in(&folders.cluster);
        let (made_inside, made_elsewhere) = (made(&inside), made(&moved));
        choose(inside, moved, reachable, made_inside, made_elsewhere)
    }

    /// The programs are beside the cluster, because the same user must reach both.
    fn of(data: &Path, reachable: bool) -> Self {
        if reachable {
            return Self { cluster: data.join("postgres"), programs: data.join("postgresql"), moved: false };
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, data.as_os_str().as_encoded_bytes());
        let name = hex::encode(digest.as_ref().get(..6).unwrap_or_default());
        let system = Path::new(SYSTEM_FOLDER);
        Self { cluster: system.join(name), programs: system.join("postgresql"), moved: true }
    }
}

fn choose(
    inside: Folders,
    moved: Folders,
    reachable: bool,
    made_inside: bool,
    made_elsewhere: bool,
) -> anyhow::Result<Folders> {
    match (reachable, made_inside, made_elsewhere) {
        (true, false, true) | (false, _, true) | (false, false, false) => Ok(moved),
        (true, ..) => Ok(inside),
        (false, true, false) => bail!(
            "the user that PostgreSQL would run as cannot reach the database in {}: run this as the user who made it, or give \
             other users the right to enter the folders above it",
            inside.cluster.display()
        ),
    }
}

/// PostgreSQL's programs: those that the operator names, those of this machine, or fetched ones.
pub(super) async fn binaries(env: &Env, fetched: &Path) -> anyhow::Result<Binaries> {
    if let Some(named) = env.get(&POSTGRES_DIR.name) {
        let absolute = std::path::absolute(named).context("LEVQOR_POSTGRES_DIR is not a path")?;
        let binaries = Binaries::within(&absolute).with_context(|| {
            format!("LEVQOR_POSTGRES_DIR: there is no `initdb` and `postgres` in {}", absolute.display())
        })?;
        binaries.check().context("LEVQOR_POSTGRES_DIR")?;
        return Ok(binaries);
    }
    if let Some(binaries) = Binaries::find(env.get("PATH").unwrap_or_default()) {
        return Ok(binaries);
    }
    output::lines("PostgreSQL is not installed here: fetching it, which may take a few minutes")?;
    let too_late = "PostgreSQL is not installed, and fetching it took too long";
    Ok(tokio::time::timeout(FETCH_TIMEOUT, Binaries::fetch(fetched)).await.context(too_late)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_was_made_before_is_found_again_or_refused() {
        let data = Path::new("/data");
        let is_moved = |reachable, inside, elsewhere| {
            choose(Folders::of(data, true), Folders::of(data, false), reachable, inside, elsewhere)
                .map(|folders| folders.moved)
                .map_err(|error| error.to_string())
        };
        assert_eq!(is_moved(true, false, false), Ok(false));
        assert_eq!(is_moved(false, false, false), Ok(true));
        assert_eq!(is_moved(true, true, false), Ok(false));
        assert_eq!(
            is_moved(true, false, true),
            Ok(true),
            "PostgreSQL's user can reach the data directory now"
        );
        assert_eq!(is_moved(false, false, true), Ok(true));
        let refused = is_moved(false, true, false)
            .expect_err("PostgreSQL's user cannot reach the data directory any more");
        assert!(refused.contains("/data/postgres"), "{refused}");
    }

    #[test]
    fn fetched_programs_stay_beside_the_cluster() {
        let data = Path::new("/root/.local/share/levqor");
        let inside = Folders::of(data, true);
        assert_eq!((inside.cluster.parent(), inside.programs.parent()), (Some(data), Some(data)));
        let moved = Folders::of(data, false);
        let system = Some(Path::new(SYSTEM_FOLDER));
        assert_eq!((moved.cluster.parent(), moved.programs.parent()), (system, system));
        assert!(moved.moved && moved.cluster != moved.programs);
    }
}
