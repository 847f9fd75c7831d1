//! `levqor reset`, and the case that needs it: a database whose secrets were lost.

use std::fs;

use serde_json::Value;
use sqlx::Connection;

use crate::{
    process::{Folder, Process, Signal, levqor, run, sentence, text, up},
    visitor::Visitor,
};

#[tokio::test]
async fn reset_removes_the_database_and_its_secrets_only_after_confirmation() {
    let folder = Folder::new();
    let secrets = folder.data().join("secrets.json");
    let reset = |arguments: &[&str]| run(levqor(&folder.data(), arguments));
    assert!(text(&reset(&["reset", "--yes"]).stdout).contains("there is nothing to remove"));

    let daemon = up(&folder);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    let said = sentence(&reset(&["reset", "--yes"]));
    assert!(said.contains("another `levqor up` is using"), "{said}");
    let before = fs::read(&secrets).expect("secrets");
    // Killed, so that its PostgreSQL is left running.
    daemon.stop(Signal::SIGKILL);
    let said = sentence(&reset(&["reset"]));
    assert!(said.contains("there is no terminal to ask"), "{said}");
    assert_eq!(fs::read(&secrets).expect("secrets"), before);
    assert!(folder.cluster().is_running().expect("status"), "something was stopped without being told");

    let done = reset(&["reset", "--yes"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!secrets.exists() && !folder.data().join("postgres").exists());
    let daemon = up(&folder);
    assert_ne!(fs::read(&secrets).expect("secrets"), before);
    assert!(Visitor::of(&folder).list("/v1/orders", "orders").await.is_empty());
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn a_new_address_key_beside_an_old_database_is_refused() {
    let folder = Folder::new();
    assert!(up(&folder).stop(Signal::SIGINT).success());
    let secrets = folder.data().join("secrets.json");
    let before = fs::read(&secrets).expect("secrets");
    let mut without: Value = serde_json::from_slice(&before).expect("JSON");
    without.as_object_mut().expect("an object").remove("LEVQOR_ADDRESS_KEY").expect("the key");
    // Each start is tried twice: the first refusal must not make the second start succeed.
    for left in [None, Some(serde_json::to_vec(&without).expect("JSON"))] {
        for _ in 0..2 {
            match &left {
                Some(bytes) => fs::write(&secrets, bytes).expect("written"),
                None => fs::remove_file(&secrets).unwrap_or_default(),
            }
            let said = sentence(&run(levqor(&folder.data(), &["up"])));
            for words in ["LEVQOR_ADDRESS_KEY", "secrets.json", "levqor reset", "the database in"] {
                assert!(said.contains(words), "{words} is missing in {said}");
            }
            assert_eq!(said.lines().count(), 1, "{said}");
            assert_eq!(fs::read(&secrets).ok(), left, "a new key was written down");
            assert!(!folder.cluster().is_running().expect("status"));
        }
    }
    // A start with the right key in its settings is accepted.
    let all: Value = serde_json::from_slice(&before).expect("JSON");
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("LEVQOR_ADDRESS_KEY", all["LEVQOR_ADDRESS_KEY"].as_str().expect("text"));
    let mut daemon = Process::start(command);
    daemon.until("Ctrl-C stops everything");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[tokio::test]
async fn a_new_address_key_beside_an_old_database_of_the_operators_is_refused_too() {
    let (first, second) = (Folder::new(), Folder::new());
    // Stands for a PostgreSQL server of the operator. Only this test uses it.
    let server = Folder::new();
    server.cluster().start().expect("started");
    let of = |folder: &Folder| {
        let mut command = levqor(&folder.data(), &["up"]);
        command.env("LEVQOR_DATABASE_URL", server.cluster().url("postgres"));
        command
    };
    // The administrator has made the databases: they are empty, and hold no addresses.
    let url = server.cluster().database("postgres").expect("an address");
    let mut conn = sqlx::PgConnection::connect_with(url.options()).await.expect("connected");
    for service in levqor_gateway::methods().services() {
        let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE levqor_{service}"));
        sqlx::raw_sql(make).execute(&mut conn).await.expect("made");
    }
    conn.close().await.expect("closed");
    let mut daemon = Process::start(of(&first));
    daemon.until("Ctrl-C stops everything");
    let demo = run(levqor(&first.data(), &["demo"]));
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    assert!(daemon.stop(Signal::SIGINT).success());

    // Whether the setting is there or not, the key of those databases is not removed without them.
    for command in [levqor(&first.data(), &["reset", "--yes"]), {
        let mut command = levqor(&first.data(), &["reset", "--yes"]);
        command.env("LEVQOR_DATABASE_URL", server.cluster().url("postgres"));
        command
    }] {
        let said = sentence(&run(command));
        assert!(said.contains("nothing was removed") && said.contains("secrets.json"), "{said}");
        assert!(first.data().join("secrets.json").exists());
    }
    let said = sentence(&run(of(&second)));
    assert!(
        said.contains("on the server of LEVQOR_DATABASE_URL") && said.contains("LEVQOR_ADDRESS_KEY"),
        "{said}"
    );
    assert!(!second.data().join("secrets.json").exists(), "a new key was written down");
}
