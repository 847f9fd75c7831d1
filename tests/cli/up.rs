//! `levqor up`: starts without settings, keeps its data, and says in one sentence why it cannot start.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use chrono::TimeDelta;
use levqor_runtime::testing::{self, eventually};
use serde_json::Value;

use crate::{
    process::{Folder, Process, Signal, levqor, run, sentence, up},
    stripe::paid_checkout,
    visitor::Visitor,
};

#[test]
fn it_shows_its_capabilities_and_stops_on_a_signal() {
    let folder = Folder::new();
    let mut daemon = up(&folder);
    let table = daemon.until("Ctrl-C").to_owned();
    for words in
        ["ON      billing", "OFF     billing", "STRIPE_SECRET_KEY is not set", "REST", "gRPC", "PostgreSQL"]
    {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    assert!(!table.contains("the call failed"), "services that start are waited for: {table}");
    assert!(daemon.stop(Signal::SIGINT).success());
    assert!(!folder.data().join("run.json").exists(), "run.json names a mesh that does not run");
    assert!(!folder.cluster().is_running().expect("status"), "PostgreSQL was left behind");
}

#[test]
fn clients_that_stay_connected_do_not_delay_the_end() {
    let folder = Folder::new();
    let mut daemon = up(&folder);
    daemon.until("Ctrl-C");
    let run: Value =
        serde_json::from_slice(&fs::read(folder.data().join("run.json")).expect("run.json")).expect("JSON");
    let door = run["url"].as_str().expect("an address").trim_start_matches("http://");
    let clients = [
        "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nho",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    let clients: Vec<_> = clients
        .into_iter()
        .map(|beginning| {
            let mut stream = TcpStream::connect(door).expect("a connection");
            stream.write_all(beginning.as_bytes()).expect("sent");
            stream
        })
        .collect();
    // The first of them has its answer, and keeps the connection.
    assert!((&clients[0]).read(&mut [0; 64]).expect("an answer") > 0);
    let (status, said) = daemon.stop_and_read(Signal::SIGINT);
    assert!(status.success(), "{said}");
    assert!(!said.contains("the drain reached its time limit"), "{said}");
}

#[tokio::test]
async fn accepted_data_is_there_after_a_kill_and_a_new_start() {
    let folder = Folder::new();
    let daemon = up(&folder);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    let before = Visitor::of(&folder).list("/v1/orders", "orders").await;
    assert_eq!(before.len(), 1);
    Visitor::of(&folder).deliver(&paid_checkout("accepted", "ada")).await;
    // The event was acknowledged a moment ago. It may be processed already, or not.
    daemon.stop(Signal::SIGKILL);
    assert!(folder.cluster().is_running().expect("status"), "the kill left PostgreSQL behind");

    // The next start adopts it, with everything in it.
    let daemon = up(&folder);
    let visitor = Visitor::of(&folder);
    assert!(visitor.list("/v1/orders", "orders").await.contains(&before[0]), "the order of before is gone");
    end_leases_of_the_killed(&folder).await;
    eventually("nothing is left to do", || async {
        let orders = visitor.list("/v1/orders", "orders").await.len();
        (orders >= 2 && visitor.waiting("billing").await + visitor.waiting("notifications").await == 0)
            .then_some(())
    })
    .await;
    let orders = visitor.list("/v1/orders", "orders").await;
    let is_new = |order: &&Value| order["stripe_checkout_session_id"] == "cs_test_accepted";
    assert_eq!((orders.len(), orders.iter().filter(is_new).count()), (2, 1), "{orders:?}");
    assert!(orders.contains(&before[0]), "the order of before was changed");
    let messages = visitor.list("/v1/messages", "messages").await;
    let sent = messages.iter().filter(|message| message["state"] == "STATE_SENT").count();
    assert_eq!((messages.len(), sent), (4, 4), "{messages:?}");
    assert!(daemon.stop(Signal::SIGINT).success());
    assert!(!folder.cluster().is_running().expect("status"));
}

/// A worker's lease outlives it: the mesh's time is moved on, so that the test need not wait for the end of it.
async fn end_leases_of_the_killed(folder: &Folder) {
    for service in levqor_gateway::methods().services() {
        let url = folder.cluster().database(&format!("levqor_{service}")).expect("url");
        testing::advance(&testing::connect(&url), TimeDelta::minutes(1)).await;
    }
}

#[test]
fn a_second_one_is_refused_in_one_sentence() {
    let folder = Folder::new();
    let first = up(&folder);
    let said = sentence(&run(levqor(&folder.data(), &[])));
    assert!(said.starts_with("levqor: another `levqor up` is using") && said.lines().count() == 1, "{said}");
    assert!(first.stop(Signal::SIGINT).success());
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
fn the_operators_server_is_used_if_it_is_set() {
    let folder = Folder::new();
    let cluster = levqor_runtime::testing::cluster();
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("LEVQOR_DATABASE_URL", cluster.url("postgres"));
    let mut daemon = Process::start(command);
    assert!(daemon.until("Ctrl-C").contains("the server of LEVQOR_DATABASE_URL"));
    assert!(daemon.stop(Signal::SIGINT).success());
    assert!(cluster.is_running().expect("status"), "the operator's server is not ours to stop");
    assert!(!folder.data().join("postgres").exists());
}

#[test]
fn a_folder_without_postgresql_is_one_sentence() {
    let folder = Folder::new();
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("LEVQOR_POSTGRES_DIR", &folder.0);
    let said = sentence(&run(command));
    let named = said.contains("LEVQOR_POSTGRES_DIR") && said.contains(&folder.0.display().to_string());
    assert!(named && said.lines().count() == 1, "{said}");
    assert!(!folder.data().join("postgres").exists());
}

#[tokio::test]
async fn it_shows_its_metrics_on_a_port_of_their_own() {
    let folder = Folder::new();
    let mut daemon = up(&folder);
    daemon.until("Ctrl-C");
    let run: Value =
        serde_json::from_slice(&fs::read(folder.data().join("run.json")).expect("run.json")).expect("JSON");
    let url = run["metrics"].as_str().expect("an address");
    let http = levqor_runtime::client::local_http_client().expect("client");
    let open = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let page = http.get(url).header("accept", open).send().await.expect("an answer");
    let kind = page.headers()["content-type"].to_str().expect("text").to_owned();
    let page = page.text().await.expect("text");
    assert!(kind.starts_with("application/openmetrics-text") && page.ends_with("# EOF\n"), "{kind} {page}");
    for words in ["levqor_ready{service_name=\"levqor-billing\"} 1\n", "process_memory_usage_bytes{"] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    assert_eq!(page.matches("process_memory_usage_bytes{").count(), 1, "the process is one: {page}");
    let public = format!("{}/metrics", run["url"].as_str().expect("an address"));
    let public = http.get(public).send().await.expect("an answer");
    assert_eq!(public.status().as_u16(), 404, "the public door shows how the business is doing");
    assert!(daemon.stop(Signal::SIGINT).success());
}
