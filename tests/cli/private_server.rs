//! The private PostgreSQL of `levqor up`: which settings affect it, which names its folder may have, and which processes
//! count as the server.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use levqor_runtime::testing::{cluster, eventually};
use nix::{sys::signal::kill, unistd::Pid};

use crate::process::{Folder, Process, Signal, levqor, run, sentence, text, up};

/// Environment variables of a user who works with another server.
const OF_ANOTHER: &[(&str, &str)] = &[
    ("PGSSLMODE", "require"),
    ("PGSSLROOTCERT", "/nowhere/root.pem"),
    ("PGHOST", "db.invalid"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGPORT", "7777"),
    ("PGUSER", "somebody"),
    ("PGPASSWORD", "hunter2"),
    ("PGDATABASE", "theirs"),
    ("PGOPTIONS", "-c no.such=1 -c bogus=1"),
    ("PGAPPNAME", "theirs"),
    ("PGSERVICE", "theirs"),
    ("PGDATA", "/nowhere/data"),
    ("PGTZ", "Mars/Olympus"),
    ("TZ", "Mars/Olympus"),
    ("TMPDIR", "/nowhere/tmp"),
];

#[test]
fn variables_for_another_postgresql_reach_neither_the_private_server_nor_its_clients() {
    let folder = Folder::new();
    let with = |arguments: &[&str]| {
        let mut command = levqor(&folder.data(), arguments);
        command.envs(OF_ANOTHER.iter().copied());
        command
    };
    let mut daemon = Process::start(with(&["up"]));
    daemon.until("Ctrl-C stops everything");
    for command in [&["demo"][..], &["doctor"], &["dead-letters"]] {
        let output = run(with(command));
        assert!(output.status.success(), "{command:?}: {} {}", text(&output.stdout), text(&output.stderr));
    }
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn a_data_directory_whose_name_a_shell_or_a_list_reads_otherwise_works() {
    let folder = Folder::new();
    let ran = folder.0.join("ran");
    // Both forms of a shell's command, as parts of a path.
    let names = [
        format!("a`touch {}`", ran.display()),
        format!("a$(touch {})", ran.display()),
        "a, b;\"c\" 'd' %s \\e*?&|<>#~ é".to_owned(),
    ];
    for name in names {
        let data = folder.0.join(&name);
        let mut daemon = Process::start(levqor(&data, &["up"]));
        daemon.until("Ctrl-C stops everything");
        let demo = run(levqor(&data, &["demo"]));
        assert!(demo.status.success(), "{name}: {}", text(&demo.stderr));
        let doctor = run(levqor(&data, &["doctor"]));
        assert!(doctor.status.success(), "{name}: {}", text(&doctor.stdout));
        assert!(daemon.stop(Signal::SIGINT).success());
        assert!(!ran.exists(), "a shell ran a part of {name}");
        let left = processes_that_name(&folder.0);
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_by_its_name_is_refused_by_name() {
    let folder = Folder::new();
    let long = folder.0.join("long".repeat(30));
    let names: [(PathBuf, &str); 3] = [
        (folder.0.join("a\nb"), "LEVQOR_DATA_DIR: the path has a line break"),
        (folder.0.join(OsStr::from_bytes(b"a\xffb")), "LEVQOR_DATA_DIR: the path is not UTF-8"),
        (long, "is too long for a Unix socket"),
    ];
    for (data, words) in names {
        let said = sentence(&run(levqor(&data, &["up"])));
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
    let left: Vec<_> = fs::read_dir(&folder.0).expect("listed").map(|entry| entry.expect("entry")).collect();
    assert!(left.len() <= 1, "a folder of another name was made: {left:?}");
}

#[tokio::test]
async fn a_process_that_only_has_the_number_of_an_old_server_is_not_touched() {
    let folder = Folder::new();
    assert!(up(&folder).stop(Signal::SIGINT).success());
    let data = folder.data().join("postgres/data");
    let owner = fs::metadata(&data).expect("data");
    // The hard case: PostgreSQL itself takes a process of its own user for a server.
    let mut sleeper = Command::new("sleep").arg("1000").uid(owner.uid()).spawn().expect("started");
    let other = number_in(&cluster_data());
    for stale in [sleeper.id(), other] {
        let lines =
            format!("{stale}\n{}\n1790000000\n5432\n..\n\n  1234567   1234\nready   \n", data.display());
        fs::write(data.join("postmaster.pid"), lines).expect("written");
        std::os::unix::fs::chown(data.join("postmaster.pid"), Some(owner.uid()), Some(owner.gid()))
            .expect("own");
        assert!(!folder.cluster().is_running().expect("status"), "{stale} is taken for the server");
        let daemon = up(&folder);
        assert!(run(levqor(&folder.data(), &["demo"])).status.success());
        assert!(daemon.stop(Signal::SIGTERM).success());
        assert!(!folder.cluster().is_running().expect("status"));
    }
    assert!(sleeper.try_wait().expect("a status").is_none(), "the process was signalled");
    assert!(cluster().is_running().expect("status"), "another cluster's server was signalled");
    sleeper.kill().expect("killed");
    sleeper.wait().expect("ended");
}

#[test]
fn a_file_of_an_old_server_that_a_power_cut_left_empty_does_not_keep_it_from_starting() {
    let folder = Folder::new();
    assert!(up(&folder).stop(Signal::SIGINT).success());
    fs::write(folder.data().join("postgres/data/postmaster.pid"), "").expect("written");
    assert!(up(&folder).stop(Signal::SIGINT).success());
}

#[test]
fn a_link_of_ones_own_to_a_folder_elsewhere_is_followed() {
    let folder = Folder::new();
    let elsewhere = folder.0.join("elsewhere, on another disk");
    fs::create_dir(&elsewhere).expect("folder");
    fs::create_dir(folder.data()).expect("folder");
    std::os::unix::fs::symlink(&elsewhere, folder.data().join("postgres")).expect("a link");
    assert!(up(&folder).stop(Signal::SIGINT).success());
    assert!(elsewhere.join("data/PG_VERSION").exists());
    let said = sentence(&run(levqor(&folder.data(), &["reset", "--yes"])));
    assert!(said.contains("is a link") && elsewhere.join("data/PG_VERSION").exists(), "{said}");
}

#[tokio::test]
async fn a_private_server_that_dies_is_started_again_once_and_then_ends_the_mesh() {
    let folder = Folder::new();
    let mut daemon = up(&folder);
    // The server itself: its own processes live on for a moment.
    let server = number_in(&folder.data().join("postgres/data"));
    kill(Pid::from_raw(server.try_into().expect("a number")), Signal::SIGKILL).expect("sent");
    daemon.until("PostgreSQL runs again");
    // The services find out that it is back in a moment of their own.
    eventually("the mesh works again", || async {
        run(levqor(&folder.data(), &["demo"])).status.success().then_some(())
    })
    .await;

    folder.cluster().kill().expect("killed");
    eventually("it ends", || {
        let ended = daemon.ended();
        async move { ended }
    })
    .await;
    let (status, said) = daemon.stop_and_read(Signal::SIGKILL);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("levqor: the private PostgreSQL ended by itself again; its log is"), "{said}");
    assert!(!folder.cluster().is_running().expect("status"));
    assert!(!folder.data().join("run.json").exists());
}

/// The data directory of this test binary's own cluster.
fn cluster_data() -> PathBuf {
    let url = cluster().url("postgres");
    let host = url.split("host=").nth(1).and_then(|rest| rest.split('&').next()).expect("a folder");
    let folder = percent_encoding::percent_decode_str(host).decode_utf8().expect("text");
    Path::new(folder.as_ref()).join("data")
}

fn number_in(data: &Path) -> u32 {
    let text = fs::read_to_string(data.join("postmaster.pid")).expect("a server runs");
    text.lines().next().expect("a line").trim().parse().expect("a number")
}

/// Processes with this path in their command, PostgreSQL's and our own.
pub(crate) fn processes_that_name(path: &Path) -> Vec<String> {
    // With the slash, since the number of a test's folder may be the beginning of another's.
    let path = format!("{}/", path.to_str().expect("text"));
    let of_process = |entry: std::io::Result<fs::DirEntry>| {
        let bytes = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&bytes).replace('\0', " ");
        command.contains(&path).then_some(command)
    };
    fs::read_dir("/proc").expect("processes").filter_map(of_process).collect()
}
