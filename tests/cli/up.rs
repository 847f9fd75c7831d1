//! `levqor up`: starts with nothing set, keeps what it was given, and says in one sentence why it cannot.

use std::{fs, net::TcpListener};

use crate::process::{Daemon, Folder, levqor, run, sentence, text, up};

#[test]
fn it_says_what_is_on_and_off_and_stops_when_told() {
    let folder = Folder::new();
    let mut daemon = up(&folder);
    let table = daemon.until("Ctrl-C").to_owned();
    for words in
        ["ON   billing", "OFF  billing", "STRIPE_SECRET_KEY is not set", "REST", "gRPC", "PostgreSQL"]
    {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    assert!(daemon.stop("INT").success());
    assert!(!folder.data().join("run.json").exists(), "it says where nothing runs");
    assert!(!folder.cluster().is_running().expect("status"), "PostgreSQL was left behind");
}

#[test]
fn what_was_accepted_is_there_after_a_kill_and_a_new_start() {
    let folder = Folder::new();
    let daemon = up(&folder);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    daemon.stop("KILL");
    assert!(folder.cluster().is_running().expect("status"), "the kill left PostgreSQL behind");
    // The next start adopts it, with everything in it.
    let daemon = up(&folder);
    let demo = run(levqor(&folder.data(), &["demo"]));
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    assert!(daemon.stop("INT").success());
    assert!(!folder.cluster().is_running().expect("status"));
}

#[test]
fn a_second_one_is_refused_in_one_sentence() {
    let folder = Folder::new();
    let first = up(&folder);
    let said = sentence(&run(levqor(&folder.data(), &[])));
    assert!(said.starts_with("levqor: another `levqor up` is using") && said.lines().count() == 1, "{said}");
    assert!(first.stop("INT").success());
}

#[test]
fn a_busy_port_is_one_sentence_and_leaves_nothing_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("address").to_string();
    for setting in ["LEVQOR_HTTP_ADDR", "LEVQOR_BILLING_ADDR"] {
        let folder = Folder::new();
        let mut command = levqor(&folder.data(), &["up"]);
        let said = sentence(&run({
            command.env(setting, &address);
            command
        }));
        assert!(said.contains(setting) && said.contains(&address) && said.lines().count() == 1, "{said}");
        assert!(!folder.data().join("postgres").exists(), "PostgreSQL was started for nothing");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_is_one_sentence() {
    let folder = Folder::new();
    let file = folder.0.join("file");
    fs::write(&file, "").expect("a file");
    let said = sentence(&run(levqor(&file, &["up"])));
    assert!(said.contains("data directory") && said.lines().count() == 1, "{said}");

    fs::create_dir_all(folder.data().join("postgres/data")).expect("folder");
    fs::write(folder.data().join("postgres/data/PG_VERSION"), "15\n").expect("a broken cluster");
    let said = sentence(&run(levqor(&folder.data(), &["up"])));
    assert!(said.contains("cannot start the private PostgreSQL") && said.lines().count() == 1, "{said}");

    fs::write(folder.data().join("secrets.json"), "{").expect("damaged secrets");
    let said = sentence(&run(levqor(&folder.data(), &["up"])));
    assert!(said.contains("secrets.json is damaged") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_server_of_the_operators_is_used_where_it_is_named() {
    let folder = Folder::new();
    let cluster = levqor_runtime::testing::cluster();
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("LEVQOR_DATABASE_URL", cluster.url("postgres"));
    let mut daemon = Daemon::start(command);
    assert!(daemon.until("Ctrl-C").contains("the server of LEVQOR_DATABASE_URL"));
    assert!(daemon.stop("INT").success());
    assert!(cluster.is_running().expect("status"), "the operator's server is not ours to stop");
    assert!(!folder.data().join("postgres").exists());
}
