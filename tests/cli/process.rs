//! The binary, started by a test, and never left behind.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use levqor_runtime::postgres::Cluster;
pub(crate) use nix::sys::signal::Signal;
use nix::{sys::signal::kill, unistd::Pid};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_mins(1);

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
    let mut command = Command::new(env!("CARGO_BIN_EXE_levqor"));
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
    if let Ok(output) = end.recv_timeout(PATIENCE) {
        return output.expect("output");
    }
    let _ = kill(pid, Signal::SIGKILL);
    panic!("{command:?} does not end");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a process id"))
}

/// What a failed command said: one sentence on standard error, and an exit code.
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

/// A process that goes on until it is told to stop.
pub(crate) struct Daemon {
    pid: Pid,
    end: mpsc::Receiver<ExitStatus>,
    has_ended: bool,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Daemon {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let (send, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        for stream in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(err)] {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        let pid = pid(&child);
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(child.wait().expect("a status")));
        Self { pid, end, has_ended: false, lines, seen: String::new() }
    }

    /// Waits until it has said this; everything it has said so far.
    pub(crate) fn until(&mut self, words: &str) -> &str {
        while !self.seen.contains(words) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.extend([line.as_str(), "\n"]),
                Err(error) => panic!("it never said {words:?} ({error}), but: {}", self.seen),
            }
        }
        &self.seen
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(mut self, signal: Signal) -> ExitStatus {
        kill(self.pid, signal).expect("it runs");
        let status = self.end.recv_timeout(PATIENCE).expect("it ends");
        self.has_ended = true;
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended && self.end.try_recv().is_err() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.end.recv_timeout(PATIENCE);
        }
    }
}

/// `levqor up` in a folder, ready.
pub(crate) fn up(folder: &Folder) -> Daemon {
    let mut daemon = Daemon::start(levqor(&folder.data(), &["up"]));
    daemon.until("Ctrl-C stops everything");
    daemon
}
