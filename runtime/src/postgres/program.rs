//! PostgreSQL's programs as child processes: without our environment, as the right user, and stopped with this process.

use std::{
    fs, io,
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{Account, PostgresError};

/// How often a child is polled.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A program without our environment: `PG*` variables for another server would change its behaviour.
pub(super) fn command(program: &Path, account: Option<Account>) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
    // Its user may not have access to the current folder. Its own process group keeps it from receiving the terminal's Ctrl-C,
    // which we handle.
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    if let Some(account) = account {
        account.run_as(&mut command);
    }
    command
}

/// A child process. Dropping this stops the child and its children, unless `let_go` was called.
pub(super) struct Guarded(Option<Child>);

impl Guarded {
    pub(super) fn spawn(name: &'static str, command: &mut Command) -> Result<Self, PostgresError> {
        let child = command.spawn().map_err(|source| PostgresError::Run { program: name, source })?;
        Ok(Self(Some(child)))
    }

    /// Its pid.
    pub(super) fn id(&self) -> u32 {
        self.0.as_ref().map(Child::id).unwrap_or_default()
    }

    /// Its exit status, if it has ended.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.as_mut().map_or(Ok(None), Child::try_wait)
    }

    /// Lets it continue to run. A thread waits for its end, because otherwise the pid would never be freed.
    pub(super) fn let_go(mut self) {
        if let Some(mut child) = self.0.take() {
            thread::spawn(move || child.wait());
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        if let Ok(None) = child.try_wait()
            && let Ok(pid) = i32::try_from(child.id())
        {
            // No thread has waited for its end yet, so the pid is still its own. SIGQUIT is PostgreSQL's immediate shutdown.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGQUIT);
            for _ in 0..200 {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(LOOK_EVERY);
            }
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = child.wait();
    }
}

/// Runs a program to its end, unless it is cancelled. Its output goes into a file in this folder.
pub(super) fn run(
    program: &'static str,
    command: &mut Command,
    folder: &Path,
    given_up: &dyn Fn() -> bool,
) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::Run { program, source };
    let mut output_file = nameless_file(folder).map_err(failed)?;
    let (out, err) = (output_file.try_clone().map_err(failed)?, output_file.try_clone().map_err(failed)?);
    let mut child = Guarded::spawn(program, command.stdout(out).stderr(err))?;
    let status = loop {
        if let Some(status) = child.ended().map_err(failed)? {
            break status;
        }
        if given_up() {
            return Err(PostgresError::Cancelled);
        }
        thread::sleep(LOOK_EVERY);
    };
    if status.success() {
        return Ok(());
    }
    let text = read_from(&mut output_file, 0).unwrap_or_default();
    let last: Vec<_> = text.lines().rev().take(3).collect();
    Err(PostgresError::Program { program, output: last.into_iter().rev().collect::<Vec<_>>().join("; ") })
}

/// The content of a file from this byte on.
pub(super) fn read_from(file: &mut fs::File, start: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that is removed with its last handle. It is in this folder, because the user may have no access to the system's temporary folder.
fn nameless_file(folder: &Path) -> io::Result<fs::File> {
    let path = folder.join(format!("output-{}", crate::id::request_id()));
    let file = fs::OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
