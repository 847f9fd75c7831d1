//! The user that `levqor up` runs as, and the PostgreSQL roles of its services: they have no more rights than they need.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
};

use sqlx::{Connection, PgConnection, Row};

use crate::process::{Folder, Process, Signal, levqor, of_program, run, sentence, text, up};

/// Each service's database, and the role that owns it: both have the same name.
fn databases() -> Vec<String> {
    levqor_gateway::methods().services().iter().map(|service| format!("levqor_{service}")).collect()
}

#[tokio::test]
async fn each_service_connects_as_a_role_that_owns_its_database_and_reaches_nothing_else() {
    let folder = Folder::new();
    let daemon = up(&folder);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    let server = folder.cluster().database("postgres").expect("url");
    let mut conn = PgConnection::connect_with(server.options()).await.expect("the superuser of the test");
    let sessions = "SELECT DISTINCT usename::text, datname::text FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1, 2";
    let sessions: Vec<(String, String)> =
        sqlx::query_as(sessions).fetch_all(&mut conn).await.expect("sessions");
    let databases = databases();
    let own: Vec<_> = databases.iter().map(|name| (name.clone(), name.clone())).collect();
    assert_eq!(sessions, own);

    let roles = "SELECT rolname::text, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS more,
                        (SELECT count(*) FROM pg_auth_members WHERE member = pg_roles.oid) AS memberships
                 FROM pg_roles WHERE rolname LIKE 'levqor\\_%'";
    let roles = sqlx::query(roles).fetch_all(&mut conn).await.expect("roles");
    assert_eq!(roles.len(), databases.len());
    for role in &roles {
        let name: String = role.get("rolname");
        assert!(!role.get::<bool, _>("more") && role.get::<i64, _>("memberships") == 0, "{name}");
        for database in ["postgres", "template1"].into_iter().chain(databases.iter().map(String::as_str)) {
            let options = server.options().clone().username(&name).database(database);
            let connected = PgConnection::connect_with(&options).await;
            assert_eq!(connected.is_ok(), database == name, "{name} and the database {database}");
        }
    }
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn root_becomes_the_user_that_runs_postgresql_with_all_of_its_threads() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    // Closed to that user, as /root is.
    let closed = folder.0.join("closed");
    fs::create_dir(&closed).expect("folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("closed");
    for data in [folder.data(), closed.join("data")] {
        let mut daemon = Process::start(levqor(&data, &["up"]));
        let table = daemon.until("Ctrl-C stops everything").to_owned();
        let postgres = place_in(&table);
        let owner = fs::metadata(&postgres).expect("the cluster");
        assert_ne!(owner.uid(), 0);
        let threads = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("threads");
        // A thread without work may end after it was listed.
        let status = |thread: std::io::Result<fs::DirEntry>| {
            fs::read_to_string(thread.ok()?.path().join("status")).ok()
        };
        let threads: Vec<_> = threads.filter_map(status).collect();
        assert!(threads.len() > 1, "its threads cannot be read: {threads:?}");
        for status in threads {
            for (name, id) in [("Uid:", owner.uid()), ("Gid:", owner.gid())] {
                let line = status.lines().find(|line| line.starts_with(name)).expect(name);
                assert_eq!(line, format!("{name}\t{id}\t{id}\t{id}\t{id}"));
            }
            let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).expect("groups");
            assert!(groups.split_whitespace().all(|group| group == owner.gid().to_string()), "{groups}");
            assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        }
        // Root, in a second terminal.
        for command in [&["demo"][..], &["doctor"], &["dead-letters"]] {
            let output = run(levqor(&data, command));
            assert!(
                output.status.success(),
                "{command:?}: {} {}",
                text(&output.stdout),
                text(&output.stderr)
            );
        }
        assert!(daemon.stop(Signal::SIGINT).success());
        assert!(!data.join("run.json").exists(), "{}: it says where nothing runs", data.display());
        // The next start finds the files that were made as root.
        let mut daemon = Process::start(levqor(&data, &["up"]));
        daemon.until("Ctrl-C stops everything");
        assert!(daemon.stop(Signal::SIGTERM).success());
        assert!(run(levqor(&data, &["reset", "--yes"])).status.success());
        assert!(!std::path::Path::new(&postgres).exists(), "{postgres}");
    }
}

/// Where the table says that PostgreSQL is.
fn place_in(table: &str) -> String {
    let place = table.split("private, in ").nth(1).expect("a private cluster");
    place.split([',', ';', '\n']).next().expect("a path").to_owned()
}

#[test]
fn a_folder_that_was_there_before_keeps_its_owner() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    fs::create_dir(folder.data()).expect("folder");
    let daemon = up(&folder);
    assert_eq!(fs::metadata(folder.data()).expect("folder").uid(), 0);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    assert!(daemon.stop(Signal::SIGINT).success());
    // `levqor up` has become a user who cannot remove the file from this folder. So it has emptied the file.
    let left = fs::read(folder.data().join("run.json")).unwrap_or_default();
    assert!(left.is_empty(), "run.json names a mesh that does not run");
    let said = sentence(&run(levqor(&folder.data(), &["demo"])));
    assert!(said.contains("no mesh is running here"), "{said}");
}

#[test]
fn a_data_directory_of_another_user_is_one_sentence_that_says_so() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let daemon = up(&folder);
    // The folder of the build may be closed to that user, as all under /root are.
    let program = folder.0.join("levqor");
    fs::copy(env!("CARGO_BIN_EXE_levqor"), &program).expect("a copy of the program");
    for arguments in [&["up"][..], &["demo"], &["dead-letters"], &["reset", "--yes"]] {
        let mut command = of_program(&program, &folder.data(), arguments);
        command.uid(65534).gid(65534);
        let said = sentence(&run(command));
        assert!(said.contains("is closed to this user") && said.contains("root"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // Root's own second one.
    let said = sentence(&run(levqor(&folder.data(), &["up"])));
    assert!(said.starts_with("levqor: another `levqor up` is using"), "{said}");
    assert!(daemon.stop(Signal::SIGINT).success());
}
