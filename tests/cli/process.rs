//! The binary, started by a test in a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

pub(crate) use levqor_runtime::testing::process::{Process, Signal};
use levqor_runtime::{postgres::Cluster, testing::process::pid};
use nix::sys::signal::kill;

/// How long a command may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A folder of its own for a test, removed with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A new one, which PostgreSQL's user can reach.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("/tmp/levqor-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        fs::create_dir_all(&name).expect("folder");
        Self(PathBuf::from(name))
    }

    /// The data directory in it.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The private cluster of the `up` that uses it.
    pub(crate) fn cluster(&self) -> Cluster {
        let binaries = levqor_runtime::testing::binaries();
        Cluster::new(binaries, &self.data().join("postgres"), false).expect("cluster")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.data().join("postgres/data/postmaster.pid").exists() {
            let _ = self.cluster().kill();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The binary with this data directory, any free port, and nothing else from the environment.
pub(crate) fn levqor(data: &Path, arguments: &[&str]) -> Command {
    of_program(Path::new(env!("CARGO_BIN_EXE_levqor")), data, arguments)
}

/// The same of a copy of the binary that is somewhere else.
pub(crate) fn of_program(program: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.env("LEVQOR_DATA_DIR", data).env("LEVQOR_HTTP_ADDR", "127.0.0.1:0");
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let pid = pid(&child);
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    if let Ok(output) = end.recv_timeout(TIMEOUT) {
        return output.expect("output");
    }
    let _ = kill(pid, Signal::SIGKILL);
    panic!("{command:?} does not end");
}

/// The output of a failed command: one sentence on standard error, and an exit code.
pub(crate) fn sentence(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed: {}", text(&output.stdout));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr).trim().to_owned();
    assert!(!said.contains("panicked") && !said.contains("Caused by"), "{said}");
    said
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// `levqor up` in a folder, ready.
pub(crate) fn up(folder: &Folder) -> Process {
    let mut daemon = Process::start(levqor(&folder.data(), &["up"]));
    daemon.until("Ctrl-C stops everything");
    daemon
}
