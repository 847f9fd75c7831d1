//! The data directory of `levqor up`: the lock, the secrets that it made, and the addresses of the running mesh.

mod run_file;

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use age::x25519::Identity;
use anyhow::{Context, bail};
use levqor_runtime::{
    config::{Env, Setting},
    postgres::{Account, user_name},
    storage::Place,
};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};
use secrecy::ExposeSecret;

use crate::up::folders::Folders;

pub(crate) use self::run_file::{HeldRunFile, RunFile};

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

/// The settings of the commands.
pub(crate) fn settings() -> Vec<Setting> {
    vec![DATA_DIR, URL]
}

/// The data directory.
pub(crate) struct DataDir(PathBuf);

/// The secrets that `levqor up` makes itself, by the names of their settings.
pub(crate) const MADE_SECRETS: &[&str] =
    &["LEVQOR_MESH_KEY", "LEVQOR_JWT_SECRET", ADDRESS_KEY, STORAGE_KEY, "STRIPE_WEBHOOK_SECRET"];

/// The key of stored copies of personal data. With another key, they cannot be read.
const STORAGE_KEY: &str = "LEVQOR_STORAGE_KEY";

/// The key of the address hashes. With another key, stored addresses are not found.
pub(crate) const ADDRESS_KEY: &str = "LEVQOR_ADDRESS_KEY";

/// The secrets that exist and those that are made now.
pub(crate) struct MadeSecrets {
    /// All secrets, by name.
    pub(crate) all: serde_json::Map<String, serde_json::Value>,
    /// The names of the secrets that are not stored yet.
    pub(crate) new: Vec<&'static str>,
}

impl DataDir {
    /// The data directory that the environment names.
    pub(crate) fn find(env: &Env) -> anyhow::Result<Self> {
        let (name, path) = if let Some(path) = env.get(&DATA_DIR.name) {
            ("LEVQOR_DATA_DIR", PathBuf::from(path))
        } else if let Some(home) = env.get("XDG_DATA_HOME") {
            ("XDG_DATA_HOME", Path::new(home).join("levqor"))
        } else if let Some(home) = env.get("HOME") {
            ("HOME", Path::new(home).join(".local/share/levqor"))
        } else {
            bail!("set LEVQOR_DATA_DIR: there is no HOME to keep data in");
        };
        if path.to_string_lossy().contains(char::is_control) {
            bail!(
                "{name}: the path has a line break or a control character; name another one in LEVQOR_DATA_DIR"
            );
        }
        // The environment's reader replaces invalid text by this character, so the path would be a different one.
        if path.to_string_lossy().contains('\u{FFFD}') {
            bail!(
                "{name}: the path is not UTF-8; name the data directory by another path in LEVQOR_DATA_DIR"
            );
        }
        Ok(Self(std::path::absolute(path).with_context(|| format!("{name} is not a path"))?))
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder for files that people upload. It is beside the private cluster, because the same user must reach both.
    pub(crate) fn uploads(&self) -> PathBuf {
        match Folders::find(&self.0) {
            Ok(Folders { cluster, moved: true, .. }) => {
                let mut name = cluster.into_os_string();
                name.push("-files");
                name.into()
            }
            _ => self.0.join("files"),
        }
    }

    /// Creates the folder for uploaded files. If root creates it, it belongs to the user that root becomes.
    pub(crate) fn make_uploads(&self, account: Option<Account>) -> anyhow::Result<()> {
        let folder = self.uploads();
        if folder.is_dir() {
            return Ok(());
        }
        Folders::make(&self.0)?;
        let make = || -> std::io::Result<()> {
            fs::create_dir(&folder)?;
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&folder)?;
            folder.set_permissions(fs::Permissions::from_mode(0o700))?;
            account.map_or(Ok(()), |account| account.own(&folder))
        };
        make().with_context(|| format!("cannot make {}", folder.display()))
    }

    /// Sets the defaults of the settings that name something in the directory.
    pub(crate) fn set_defaults(&self, env: &mut Env) {
        if !Place::is_named(|name| env.get(name).is_some()) {
            let files = std::path::absolute(self.uploads()).unwrap_or_else(|_| self.uploads());
            env.set_default("LEVQOR_STORAGE_DIR", files.to_string_lossy());
        }
    }

    /// Creates the directory for its owner only. If root creates it, it then belongs to the user that root becomes, so that
    /// `run.json` can be removed at the end.
    pub(crate) fn make(&self, account: Option<Account>) -> anyhow::Result<()> {
        if self.0.is_dir() {
            // A directory that existed before has an owner, so its permissions stay.
            return Ok(());
        }
        let path = self.0.display();
        // The user that root becomes must be able to traverse the directory. Each file in it is closed to others.
        let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make the data directory {path}"))?;
        let set = || -> std::io::Result<()> {
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.0)?;
            folder.set_permissions(fs::Permissions::from_mode(mode))?;
            account.map_or(Ok(()), |account| account.own(&folder))
        };
        set().with_context(|| format!("cannot use the data directory {path}"))
    }

    /// Takes the lock for this process. The lock ends with the process, even if the process is killed.
    pub(crate) async fn lock(&self) -> anyhow::Result<Flock<fs::File>> {
        let mut tries = 1;
        loop {
            match self.try_lock()? {
                Some(lock) => return Ok(lock),
                // A command that checks whether a mesh runs holds the lock for a moment.
                None if tries < 3 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                None => bail!(
                    "another `levqor up` is using {}; stop it, or set LEVQOR_DATA_DIR",
                    self.0.display()
                ),
            }
            tries += 1;
        }
    }

    /// Takes the lock. None if another process holds it.
    fn try_lock(&self) -> anyhow::Result<Option<Flock<fs::File>>> {
        let path = self.0.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!("{}", self.closed()),
            file => file.with_context(|| format!("cannot use the data directory {}", self.0.display()))?,
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Why this user cannot use the directory.
    fn closed(&self) -> String {
        let owner = |path: &Path| fs::metadata(path).map(|file| user_name(file.uid()));
        let owner = owner(&self.0.join("lock")).or_else(|_| owner(&self.0));
        let owner = owner.map(|name| format!(" of the user {name}")).unwrap_or_default();
        format!(
            "the data directory {} is closed to this user: it is one{owner}; run this as that user, or set LEVQOR_DATA_DIR",
            self.0.display()
        )
    }

    /// Whether a `levqor up` holds the lock. Only then is `run.json` true.
    fn is_in_use(&self) -> anyhow::Result<bool> {
        match fs::File::open(self.0.join("lock")) {
            Ok(file) => {
                Ok(matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK))))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!("{}", self.closed()),
            Err(_) => Ok(false),
        }
    }

    /// Stores the new secrets.
    pub(crate) fn write_secrets(&self, secrets: &MadeSecrets) -> anyhow::Result<()> {
        if secrets.new.is_empty() {
            return Ok(());
        }
        write_private(&self.0.join(SECRETS), &serde_json::to_vec_pretty(&secrets.all)?)
    }

    /// The stored secrets and new ones for those that are missing. Stores nothing.
    pub(crate) fn secrets_to_be(&self) -> anyhow::Result<MadeSecrets> {
        let mut all = self.read_secrets()?.unwrap_or_default();
        let mut new = Vec::new();
        for &name in MADE_SECRETS {
            if !all.contains_key(name) {
                let secret = match name {
                    STORAGE_KEY => Identity::generate().to_string().expose_secret().to_owned(),
                    "STRIPE_WEBHOOK_SECRET" => format!("whsec_{}", random_hex()?),
                    _ => random_hex()?,
                };
                all.insert(name.to_owned(), secret.into());
                new.push(name);
            }
        }
        Ok(MadeSecrets { all, new })
    }

    /// The stored secrets. None if `levqor up` never ran here.
    pub(crate) fn read_secrets(&self) -> anyhow::Result<Option<serde_json::Map<String, serde_json::Value>>> {
        let path = self.0.join(SECRETS);
        match fs::read(&path) {
            Ok(bytes) => {
                let mut secrets: serde_json::Map<_, _> = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is damaged", path.display()))?;
                // The folder may belong to another user than the one who starts this process. So only these settings are read
                // from it.
                secrets.retain(|name, _| MADE_SECRETS.contains(&name.as_str()));
                Ok(Some(secrets))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Opens the directory and keeps it open, to write `run.json` later.
    pub(crate) fn hold_run_file(&self) -> anyhow::Result<HeldRunFile> {
        HeldRunFile::of(&self.0)
    }

    /// Removes `run.json`: no mesh runs.
    pub(crate) fn remove_run_file(&self) {
        // The file may be missing. It is only a hint.
        let _ = fs::remove_file(self.0.join(run_file::NAME));
    }

    /// Reads `run.json`. None if no mesh runs, even if a killed process left the file.
    pub(crate) fn run_file(&self) -> anyhow::Result<Option<RunFile>> {
        if !self.is_in_use()? {
            return Ok(None);
        }
        let Ok(bytes) = fs::read(self.0.join(run_file::NAME)) else { return Ok(None) };
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// The file of the stored secrets.
    pub(crate) fn secrets_file(&self) -> PathBuf {
        self.0.join(SECRETS)
    }

    /// The files in the directory that `levqor up` makes and `levqor reset` removes.
    pub(crate) fn own_files(&self) -> [PathBuf; 2] {
        [self.0.join(SECRETS), self.0.join(run_file::NAME)]
    }
}

/// The name of the secrets' file.
const SECRETS: &str = "secrets.json";

/// The gateway that the commands use.
pub(crate) enum Gateway {
    /// The gateway that `LEVQOR_URL` names.
    Named(String),
    /// The gateway of the `levqor up` that runs here.
    Here(RunFile),
}

/// Finds the gateway that the commands use.
pub(crate) fn gateway(env: &Env) -> anyhow::Result<Gateway> {
    if let Some(url) = env.get(&URL.name) {
        return Ok(Gateway::Named(url.trim_end_matches('/').to_owned()));
    }
    let run = DataDir::find(env)?.run_file()?;
    run.map(Gateway::Here).context("no mesh is running here: start `levqor up`, or set LEVQOR_URL")
}

/// Comma-separated settings; the commands use the first value.
const LISTS: &[&str] =
    &["LEVQOR_MESH_KEY", "LEVQOR_JWT_SECRET", "STRIPE_WEBHOOK_SECRET", "RESEND_WEBHOOK_SECRET"];

/// A secret, from the environment or made by `levqor up`. Of a list it returns the first value.
pub(crate) fn secret(env: &Env, name: &str) -> anyhow::Result<String> {
    Ok(secrets(env, name)?.into_iter().next().unwrap_or_default())
}

/// As `secret`, with all values of a list.
pub(crate) fn secrets(env: &Env, name: &str) -> anyhow::Result<Vec<String>> {
    if let Some(value) = env.get(name) {
        return Ok(parts(name, value));
    }
    if let Some(path) = env.get(&format!("{name}_FILE")) {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}_FILE"))?;
        return Ok(parts(name, &text));
    }
    let data = DataDir::find(env)?;
    if data.run_file()?.is_some_and(|run| run.given.iter().any(|given| given == name)) {
        bail!("the mesh that runs here was given its own {name}: set it for this command too");
    }
    let secrets = data.read_secrets()?;
    let made = secrets.and_then(|secrets| secrets.get(name)?.as_str().map(str::to_owned));
    let made = made.with_context(|| format!("there is no {name}: start `levqor up` once, or set it"))?;
    Ok(vec![made])
}

/// Splits the text of a setting as the services do.
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

/// Writes a file that only its owner can read. The file is replaced in one step.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        // The old file is removed first, because root must not follow a link there: the folder may belong to another user.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
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
    fn only_secrets_that_are_made_are_taken_from_their_file() {
        let data = DataDir(std::env::temp_dir().join(format!("levqor-state-{}", std::process::id())));
        fs::create_dir_all(data.path()).expect("a folder");
        let text = r#"{"LEVQOR_MESH_KEY": "k", "STRIPE_API_BASE": "https://evil.example"}"#;
        fs::write(data.path().join(SECRETS), text).expect("written");
        let secrets = data.read_secrets().expect("read").expect("secrets");
        assert_eq!(secrets.keys().collect::<Vec<_>>(), ["LEVQOR_MESH_KEY"]);
        fs::remove_dir_all(data.path()).expect("removed");
    }

    #[test]
    fn of_a_list_the_first_is_used_and_any_other_secret_is_taken_whole() {
        let env = Env::from_pairs([
            (ADDRESS_KEY, "a secret, with a comma in it"),
            ("LEVQOR_MESH_KEY", "new, old"),
            ("LEVQOR_JWT_SECRET", "new,old"),
            ("STRIPE_WEBHOOK_SECRET", " ,whsec_new,whsec_old"),
        ]);
        let secret = |name| secret(&env, name).expect(name);
        assert_eq!(secret(ADDRESS_KEY), "a secret, with a comma in it");
        assert_eq!(secret("LEVQOR_MESH_KEY"), "new");
        assert_eq!(secret("LEVQOR_JWT_SECRET"), "new");
        assert_eq!(secret("STRIPE_WEBHOOK_SECRET"), "whsec_new");
    }
}
