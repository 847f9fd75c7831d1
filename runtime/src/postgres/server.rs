//! Finds the process of the PostgreSQL server of a data directory.
//!
//! `postmaster.pid` holds a pid. After a crash or a reboot another process may have that pid, so we accept it only if the process
//! runs `postgres` in that data directory. We then hold the process by a kernel handle (a pidfd), which never refers to another
//! process.

use std::{
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, Result},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// The state in `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It accepts connections.
    Ready,
    /// It shuts down.
    Stopping,
    /// It starts or recovers.
    Starting,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pid: Pid,
    process: OwnedFd,
}

impl Server {
    /// The server that runs on this data directory.
    pub(super) fn on(data: &Path) -> Result<Option<Self>> {
        let Some(pid) = number(data) else { return Ok(None) };
        // Opened before the check, so that the checked process is the one that gets the signal.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            // No process has the pid, or a thread has it.
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(runs_on(pid, data).then_some(Self { pid, process }))
    }

    /// The state of the server.
    pub(super) fn phase(&self, data: &Path) -> Phase {
        match lines(data) {
            Some(lines) if lines.pid == Some(self.pid) => lines.phase,
            _ => Phase::Starting,
        }
    }

    /// Sends a signal to this process only.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        match pidfd_send_signal(&self.process, signal) {
            // It has already ended.
            Err(Errno::SRCH) => Ok(()),
            other => other,
        }
    }

    /// Waits until the server has ended, at most for the given time. Returns whether it ended in time.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        let timeout = limit
            .map(|limit| Timespec { tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: 0 });
        loop {
            let mut ends = [PollFd::from_borrowed_fd(self.process.as_fd(), PollFlags::IN)];
            match poll(&mut ends, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                ended => return ended.is_ok_and(|count| count > 0),
            }
        }
    }

    /// Signals when the server has ended.
    #[must_use]
    pub fn ended(self) -> oneshot::Receiver<()> {
        let (send_end, ended) = oneshot::channel();
        // A separate thread, because the end of the process does not wait for it.
        thread::spawn(move || {
            if self.wait(None) {
                // The receiver may already be dropped.
                let _ = send_end.send(());
            }
        });
        ended
    }
}

/// The lines of `postmaster.pid` that we use: <https://www.postgresql.org/docs/current/storage-file-layout.html>.
struct Lines {
    pid: Option<Pid>,
    phase: Phase,
}

fn lines(data: &Path) -> Option<Lines> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let number = lines.next().and_then(|line| line.trim().parse().ok()).filter(|number| *number > 0);
    let phase = match lines.nth(6).map(str::trim) {
        Some("ready") => Phase::Ready,
        Some("stopping") => Phase::Stopping,
        _ => Phase::Starting,
    };
    Some(Lines { pid: number.and_then(Pid::from_raw), phase })
}

/// The pid in `postmaster.pid`. Another process may have it now.
pub(super) fn number(data: &Path) -> Option<Pid> {
    lines(data).and_then(|lines| lines.pid)
}

/// Whether a newly started process reports that it accepts connections.
pub(super) fn is_ready(data: &Path, pid: u32) -> bool {
    lines(data).is_some_and(|lines| {
        let same = lines.pid.is_some_and(|found| u32::try_from(found.as_raw_pid()) == Ok(pid));
        same && lines.phase == Phase::Ready
    })
}

/// Whether a process runs `postgres` in this data directory. Every server makes it the current folder.
fn runs_on(pid: Pid, data: &Path) -> bool {
    let of_process = Path::new("/proc").join(pid.as_raw_pid().to_string());
    // The program's path is not always just this name. A wrapper adds words around it, an update of PostgreSQL appends `
    // (deleted)`, and under an emulator only the arguments hold it.
    let program = fs::read_link(of_process.join("exe")).unwrap_or_default();
    let arguments = fs::read(of_process.join("cmdline")).unwrap_or_default();
    let first_two = arguments.split(|byte| *byte == 0).take(2);
    let is_postgres =
        names_postgres(program.as_os_str().as_encoded_bytes()) || first_two.into_iter().any(names_postgres);
    is_postgres && is_in(&of_process, data)
}

/// Whether this path's file is named after `postgres`.
fn names_postgres(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.windows(b"postgres".len()).any(|part| part == b"postgres")
}

/// Whether any process has the data directory as its current folder.
pub(super) fn is_current_folder(data: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| is_in(&process.path(), data))
}

fn is_in(of_process: &Path, data: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).map(|folder| (folder.dev(), folder.ino())).ok();
    let folder = place(&of_process.join("cwd"));
    folder.is_some() && folder == place(data)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_server_is_recognised_by_the_name_of_its_program_in_any_folder() {
        for path in [
            "/usr/lib/postgresql/15/bin/postgres",
            "/nix/store/x/bin/.postgres-wrapped",
            "postgres (deleted)",
        ] {
            assert!(names_postgres(path.as_bytes()), "{path}");
        }
        for path in ["/usr/bin/sleep", "/usr/lib/postgresql/15/bin/pg_ctl", "/home/postgres/sleep", ""] {
            assert!(!names_postgres(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_the_server() {
        let data = std::env::temp_dir().join(format!("levqor-number-{}", crate::id::request_id()));
        fs::create_dir_all(&data).expect("a folder");
        // It has the same current folder, too.
        let mut other = Command::new("sleep")
            .arg("1000")
            .current_dir(&data)
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        fs::write(data.join("postmaster.pid"), format!("{}\n{}\n", other.id(), data.display()))
            .expect("written");
        assert!(number(&data).is_some());
        assert!(Server::on(&data).expect("looked at").is_none());
        for bogus in ["", "-1\n", "0\n", "twelve\n"] {
            fs::write(data.join("postmaster.pid"), bogus).expect("written");
            assert!(Server::on(&data).expect("looked at").is_none(), "{bogus:?}");
        }
        assert!(other.try_wait().expect("a status").is_none(), "it was touched");
        other.kill().expect("killed");
        other.wait().expect("ended");
        fs::remove_dir_all(&data).expect("removed");
    }
}
