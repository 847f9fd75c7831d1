//! What `levqor up` keeps in its data directory: the lock, the secrets that it made, and where things run.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use levqor_runtime::config::{Env, Setting};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde::{Deserialize, Serialize};

const DATA_DIR: Setting = Setting::plain(
    "LEVQOR_DATA_DIR",
    None,
    "Where `levqor up` keeps its PostgreSQL, its secrets and run.json. Default: levqor in XDG_DATA_HOME or ~/.local/share.",
);
const URL: Setting = Setting::plain(
    "LEVQOR_URL",
    None,
    "The gateway that the commands talk to. Default: the one of the `levqor up` that runs on this machine.",
);

/// Settings of the commands.
pub(crate) fn settings() -> Vec<Setting> {
    vec![DATA_DIR, URL]
}

/// The data directory.
pub(crate) struct DataDir(PathBuf);

/// Secrets that `levqor up` made for itself, by the name of the setting that each stands in for.
pub(crate) const MADE_SECRETS: [&str; 4] =
    ["LEVQOR_MESH_KEY", "LEVQOR_JWT_SECRET", "LEVQOR_ADDRESS_KEY", "STRIPE_WEBHOOK_SECRET"];

/// Where the running mesh is, for the other commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Where the metrics are, for Prometheus.
    #[serde(default)]
    pub(crate) metrics: String,
    /// The gateway's address.
    pub(crate) url: String,
    /// The services' gRPC addresses.
    pub(crate) grpc: std::collections::BTreeMap<String, String>,
    /// The process.
    pub(crate) pid: u32,
    /// Settings that its environment gave it, by name; of secrets that are made, these were not.
    pub(crate) given: Vec<String>,
    /// The folder of its private PostgreSQL; none where the operator named a server.
    #[serde(default)]
    pub(crate) postgres: Option<PathBuf>,
}

impl DataDir {
    /// The one that the environment names.
    pub(crate) fn find(env: &Env) -> anyhow::Result<Self> {
        if let Some(path) = env.get(&DATA_DIR.name) {
            let path = std::path::absolute(path).context("LEVQOR_DATA_DIR is not a path")?;
            return Ok(Self(path));
        }
        let home = env.get("XDG_DATA_HOME").map(PathBuf::from);
        let home = home.or_else(|| env.get("HOME").map(|home| Path::new(home).join(".local/share")));
        match home {
            Some(home) => Ok(Self(home.join("levqor"))),
            None => bail!("set LEVQOR_DATA_DIR: there is no HOME to keep data in"),
        }
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, closed to others.
    pub(crate) fn make(&self) -> anyhow::Result<()> {
        let path = self.0.display();
        if self.0.is_dir() {
            // A folder that was there before is somebody's: its rights are theirs to set.
            return Ok(());
        }
        // Root's PostgreSQL runs as another user, who must be able to pass; the files within are closed one by one.
        let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make the data directory {path}"))?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode))
            .with_context(|| format!("cannot use the data directory {path}"))
    }

    /// Takes it for this process; the lock ends with the process, however it ends.
    pub(crate) async fn lock(&self) -> anyhow::Result<Flock<fs::File>> {
        let mut tries = 1;
        loop {
            match self.try_lock()? {
                Some(lock) => return Ok(lock),
                // A command that looks whether anybody runs holds the lock for a moment.
                None if tries < 3 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                None => bail!(
                    "another `levqor up` is using {}; stop it, or set LEVQOR_DATA_DIR",
                    self.0.display()
                ),
            }
            tries += 1;
        }
    }

    /// The lock, unless somebody has it.
    fn try_lock(&self) -> anyhow::Result<Option<Flock<fs::File>>> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot use the data directory {}", self.0.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Whether a `levqor up` has it: what it wrote down is then true.
    fn is_in_use(&self) -> bool {
        let Ok(file) = fs::File::open(self.0.join("lock")) else { return false };
        matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
    }

    /// The secrets that were made, or are made now.
    pub(crate) fn secrets(&self) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
        let (secrets, new) = self.secrets_to_be()?;
        if new {
            write_private(&self.0.join("secrets.json"), &serde_json::to_vec_pretty(&secrets)?)?;
        }
        Ok(secrets)
    }

    /// The secrets that were made, with those that would be made now; whether there are any such. Nothing is written.
    pub(crate) fn secrets_to_be(&self) -> anyhow::Result<(serde_json::Map<String, serde_json::Value>, bool)> {
        let mut secrets = self.read_secrets()?.unwrap_or_default();
        let known = secrets.len();
        for name in MADE_SECRETS {
            if !secrets.contains_key(name) {
                let prefix = if name == "STRIPE_WEBHOOK_SECRET" { "whsec_" } else { "" };
                secrets.insert(name.to_owned(), format!("{prefix}{}", random_hex()?).into());
            }
        }
        let new = secrets.len() != known;
        Ok((secrets, new))
    }

    /// The secrets that were made; none where `levqor up` never ran here.
    pub(crate) fn read_secrets(&self) -> anyhow::Result<Option<serde_json::Map<String, serde_json::Value>>> {
        let path = self.0.join("secrets.json");
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Says where things run.
    pub(crate) fn write_run_file(&self, run: &RunFile) -> anyhow::Result<()> {
        write_private(&self.0.join("run.json"), &serde_json::to_vec_pretty(run)?)
    }

    /// Says that nothing runs.
    pub(crate) fn remove_run_file(&self) {
        // It may be gone; what it says is only a hint.
        let _ = fs::remove_file(self.0.join("run.json"));
    }

    /// Where things run; none where nothing does, whatever one that was killed left behind.
    pub(crate) fn run_file(&self) -> Option<RunFile> {
        if !self.is_in_use() {
            return None;
        }
        serde_json::from_slice(&fs::read(self.0.join("run.json")).ok()?).ok()
    }
}

/// The gateway that the commands talk to.
pub(crate) fn gateway_url(env: &Env) -> anyhow::Result<String> {
    if let Some(url) = env.get(&URL.name) {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let run = DataDir::find(env)?.run_file();
    run.map(|run| run.url).context("no mesh is running here: start `levqor up`, or set LEVQOR_URL")
}

/// Settings that are lists, separated by commas, of which the first is used.
const LISTS: [&str; 3] = ["LEVQOR_MESH_KEY", "STRIPE_WEBHOOK_SECRET", "RESEND_WEBHOOK_SECRET"];

/// A secret, from the environment or made by `levqor up`; of a list, the one that is used.
pub(crate) fn secret(env: &Env, name: &str) -> anyhow::Result<String> {
    Ok(secrets(env, name)?.into_iter().next().unwrap_or_default())
}

/// The same with all of a list.
pub(crate) fn secrets(env: &Env, name: &str) -> anyhow::Result<Vec<String>> {
    if let Some(value) = env.get(name) {
        return Ok(parts(name, value));
    }
    if let Some(path) = env.get(&format!("{name}_FILE")) {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}_FILE"))?;
        return Ok(parts(name, &text));
    }
    let data = DataDir::find(env)?;
    if data.run_file().is_some_and(|run| run.given.iter().any(|given| given == name)) {
        bail!("the mesh that runs here was given its own {name}: set it for this command too");
    }
    let secrets = data.read_secrets()?;
    let made = secrets.and_then(|secrets| secrets.get(name)?.as_str().map(str::to_owned));
    let made = made.with_context(|| format!("there is no {name}: start `levqor up` once, or set it"))?;
    Ok(vec![made])
}

/// A setting's text as the services read it.
fn parts(name: &str, text: &str) -> Vec<String> {
    if !LISTS.contains(&name) {
        return vec![text.trim().to_owned()];
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn random_hex() -> anyhow::Result<String> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no randomness"))?;
    Ok(hex::encode(bytes))
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_the_first_is_used_and_any_other_secret_is_taken_whole() {
        let env = Env::from_pairs([
            ("LEVQOR_JWT_SECRET", "a secret, with a comma in it"),
            ("LEVQOR_MESH_KEY", "new, old"),
            ("STRIPE_WEBHOOK_SECRET", " ,whsec_new,whsec_old"),
        ]);
        let secret = |name| secret(&env, name).expect(name);
        assert_eq!(secret("LEVQOR_JWT_SECRET"), "a secret, with a comma in it");
        assert_eq!(secret("LEVQOR_MESH_KEY"), "new");
        assert_eq!(secret("STRIPE_WEBHOOK_SECRET"), "whsec_new");
    }
}
