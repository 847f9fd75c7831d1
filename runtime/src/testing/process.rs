//! A process that a test started. It ends with the test.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

pub use nix::sys::signal::Signal;
use nix::{sys::signal::kill, unistd::Pid};

/// How long it may take to say or to do something.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A process that runs until it is stopped.
pub struct Process {
    pid: Pid,
    end: mpsc::Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Process {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let (send, lines) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        let pid = pid(&child);
        let (ended, end) = mpsc::channel();
        let mut killer = kill_with_this_process(pid);
        std::thread::spawn(move || {
            let _ = ended.send(child.wait().expect("a status"));
            // The number may be another's soon.
            let _ = killer.kill();
            let _ = killer.wait();
        });
        Self { pid, end, ended: None, lines, seen: String::new() }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits until it has said this; everything it has said so far.
    pub fn until(&mut self, words: &str) -> &str {
        let mut found = self.seen.contains(words);
        while !found {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => {
                    // Who says much is not read from the beginning each time.
                    found = line.contains(words);
                    self.seen.extend([line.as_str(), "\n"]);
                }
                Err(error) => panic!("it never said {words:?} ({error}), but: {}", self.seen),
            }
        }
        &self.seen
    }

    /// Everything it has said so far.
    pub fn said(&mut self) -> &str {
        for line in self.lines.try_iter() {
            self.seen.extend([line.as_str(), "\n"]);
        }
        &self.seen
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.ended = self.ended.or_else(|| self.end.try_recv().ok());
        self.ended
    }

    /// Sends a signal, unless it has ended. Does not wait.
    pub fn tell(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // It may end by itself in this very moment.
            let _ = kill(self.pid, signal);
        }
    }

    /// Sends a signal, unless it has ended, and waits for the end; how it ended, and everything that it ever said.
    #[must_use]
    pub fn stop_and_read(mut self, signal: Signal) -> (ExitStatus, String) {
        let status = self.ended().unwrap_or_else(|| {
            // It may end by itself in this very moment.
            let _ = kill(self.pid, signal);
            self.end.recv_timeout(TIMEOUT).expect("it ends")
        });
        self.ended = Some(status);
        // Both readers end with the process.
        while let Ok(line) = self.lines.recv_timeout(TIMEOUT) {
            self.seen.extend([line.as_str(), "\n"]);
        }
        (status, std::mem::take(&mut self.seen))
    }

    /// Sends a signal, unless it has ended, and waits for the end; how it ended.
    #[expect(clippy::must_use_candidate, reason = "most who stop a process do not care how it ends")]
    pub fn stop(mut self, signal: Signal) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        // It may end by itself in this very moment.
        let _ = kill(self.pid, signal);
        let status = self.end.recv_timeout(TIMEOUT).expect("it ends");
        self.ended = Some(status);
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.end.recv_timeout(TIMEOUT);
        }
    }
}

/// A process that kills another when this one is gone, however it ends, as `Cluster::remove_with_this_process` does.
fn kill_with_this_process(pid: Pid) -> Child {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"read -r _; kill -9 "$1""#, "sh", &pid.to_string()]).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
}

/// The number of a process.
#[must_use]
pub fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a process id"))
}

/// A port without a listener, which no other process gets by chance during a restart: it is below those that
/// Linux gives to outgoing connections. Each call gives another port, so that tests that run at the same time do not share one.
#[must_use]
pub fn free_port() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let addr = SocketAddr::from(([127, 0, 0, 1], rand::random_range(10_000..30_000)));
        let is_new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(addr.port());
        if is_new && TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_process_is_killed_when_the_pipe_that_its_starter_holds_is_closed() {
        let mut child = Command::new("sleep").arg("1000").spawn().expect("started");
        let mut killer = kill_with_this_process(pid(&child));
        assert!(child.try_wait().expect("a status").is_none());
        // As the kernel does with everything of a process that ends.
        drop(killer.stdin.take());
        assert_eq!(child.wait().expect("a status").signal(), Some(Signal::SIGKILL as i32));
        killer.wait().expect("a status");
    }
}
