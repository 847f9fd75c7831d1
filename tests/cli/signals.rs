//! Signals, at any time: everything that was started is stopped.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use levqor_runtime::testing::eventually;
use nix::{sys::signal::kill, unistd::Pid};

use crate::{
    private_server::processes_that_name,
    process::{Folder, Process, Signal, levqor, run, text, up},
};

/// How far a start is, and how that is seen in the data directory.
type Moment = (&'static str, fn(&Path) -> bool);

const MOMENTS: [Moment; 4] = [
    ("the cluster is made", |data| data.join("postgres/data.new/PG_VERSION").exists()),
    ("PostgreSQL starts", |data| data.join("postgres/data/postmaster.pid").exists()),
    ("PostgreSQL is ready", |data| {
        fs::read_to_string(data.join("postgres/data/postmaster.pid")).is_ok_and(|text| text.contains("ready"))
    }),
    // The second database of ours: the first one was migrated, or is being migrated.
    ("it migrates", |data| {
        let databases = fs::read_dir(data.join("postgres/data/base"));
        databases.is_ok_and(|databases| databases.count() >= 4)
    }),
];

#[tokio::test]
async fn a_signal_at_any_time_of_a_start_leaves_nothing_running() {
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
    for (number, (moment, is_there)) in MOMENTS.into_iter().enumerate() {
        let folder = Folder::new();
        let signal = signals[number % signals.len()];
        let daemon = Process::start(started_by(&["--default-signal"], &folder));
        eventually(moment, || async { is_there(&folder.data()).then_some(()) }).await;
        let (status, said) = daemon.stop_and_read(signal);
        assert!(status.success(), "{moment}, {signal}: {status:?} {said}");
        assert!(!said.contains("Levqor is up"), "{moment}: the signal came too late for this test: {said}");
        let left = processes_that_name(&folder.0);
        assert!(left.is_empty(), "{moment}, {signal}: {left:?}");
        assert!(
            !folder.data().join("run.json").exists(),
            "{moment}: run.json names a mesh that does not run"
        );
        // The next start completes whatever was half made.
        assert!(up(&folder).stop(Signal::SIGINT).success(), "{moment}: no start after that");
    }
}

#[test]
fn closing_the_terminal_stops_it_like_any_other_signal() {
    let folder = Folder::new();
    let mut daemon = Process::start(started_by(&["--default-signal"], &folder));
    daemon.until("Ctrl-C stops everything");
    assert!(daemon.stop(Signal::SIGHUP).success());
    assert!(!folder.cluster().is_running().expect("status"), "PostgreSQL was left behind");
    assert!(!folder.data().join("run.json").exists());
}

#[test]
fn sighup_is_ignored_if_the_parent_ignores_it() {
    let folder = Folder::new();
    // As `nohup` does.
    let mut daemon = Process::start(started_by(&["--ignore-signal=HUP"], &folder));
    daemon.until("Ctrl-C stops everything");
    kill(Pid::from_raw(daemon.id()), Signal::SIGHUP).expect("sent");
    let demo = run(levqor(&folder.data(), &["demo"]));
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    assert!(daemon.ended().is_none());
    assert!(daemon.stop(Signal::SIGTERM).success());
}

/// `levqor up`, started by `env` with these words about signals: a test runner may itself ignore some.
fn started_by(about_signals: &[&str], folder: &Folder) -> Command {
    let program = levqor(&folder.data(), &["up"]);
    let mut command = Command::new("/usr/bin/env");
    command.args(about_signals).arg(program.get_program()).args(program.get_args());
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null());
    command
}
