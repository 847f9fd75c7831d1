//! The commands that call a mesh: they report a wrong address at once, wait for a mesh that is starting, send no mail to people who did not
//! ask for it, and show everything that waits for a person.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use levqor_runtime::testing::{connect, eventually};
use serde_json::json;

use crate::{
    process::{Folder, Process, Signal, levqor, run, sentence, text, up},
    stripe::event,
    visitor::Visitor,
};

#[test]
fn a_wrong_address_of_the_gateway_is_reported_at_once_with_the_reason() {
    let folder = Folder::new();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let something_else = format!("http://{}", other.local_addr().expect("address"));
    std::thread::spawn(move || {
        for stream in other.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
        }
    });
    for (url, words) in [
        ("http://127.0.0.1:1", "http://127.0.0.1:1: no connection could be made: connection refused"),
        ("http://levqor.invalid", "the name of the host cannot be looked up"),
        (&something_else, "something else than a Levqor gateway answers there"),
        ("127.0.0.1:8080", "not a URL that begins with http:// or https://"),
        ("http://[", "that is not a URL"),
    ] {
        for command in [&["demo"][..], &["dead-letters"], &["replay", "event", "evt_1"]] {
            let mut command = levqor(&folder.data(), command);
            command.env("LEVQOR_URL", url);
            let said = sentence(&run(command));
            assert!(said.starts_with("levqor: LEVQOR_URL: ") && said.contains(words), "{url}: {said}");
            // A command that waited for a mesh would say that first.
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    let mut doctor = levqor(&folder.data(), &["doctor"]);
    doctor.env("LEVQOR_URL", "http://127.0.0.1:1");
    let found = run(doctor);
    assert_eq!(found.status.code(), Some(1));
    assert!(text(&found.stdout).contains("connection refused"), "{}", text(&found.stdout));
}

#[tokio::test]
async fn a_mesh_that_is_starting_is_found_and_waited_for() {
    let folder = Folder::new();
    let mut daemon = Process::start(levqor(&folder.data(), &["up"]));
    eventually("it says where it will be", || async {
        folder.data().join("run.json").exists().then_some(())
    })
    .await;
    // The start waits until the command has seen it. On a busy machine the command might be too late.
    daemon.tell(Signal::SIGSTOP);
    let mut letters = Process::start(levqor(&folder.data(), &["dead-letters"]));
    letters.until("is still starting");
    daemon.tell(Signal::SIGCONT);
    daemon.until("Ctrl-C stops everything");
    eventually("the command ends", || {
        let ended = letters.ended();
        async move { ended }
    })
    .await;
    let (status, said) = letters.stop_and_read(Signal::SIGKILL);
    assert!(status.success(), "{said}");
    let letters = run(levqor(&folder.data(), &["dead-letters"]));
    assert_eq!(text(&letters.stderr), "");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[tokio::test]
async fn the_demo_mails_only_addresses_that_the_operator_named() {
    let folder = Folder::new();
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("RESEND_API_KEY", "re_of_a_test").env("RESEND_API_BASE", "http://127.0.0.1:1");
    command.env("LEVQOR_MAIL_FROM", "Levqor <hello@levqor.example>");
    let mut daemon = Process::start(command);
    daemon.until("Ctrl-C stops everything");
    let said = sentence(&run(levqor(&folder.data(), &["demo"])));
    assert!(said.contains("the mesh sends real mail") && said.contains("--email"), "{said}");
    let said = sentence(&run(levqor(&folder.data(), &["demo", "--email", "nobody"])));
    assert!(said.contains("--email is not an address"), "{said}");
    let visitor = Visitor::of(&folder);
    assert!(
        visitor.list("/v1/stripe-events", "stripe_events").await.is_empty(),
        "it was posted all the same"
    );
    daemon.stop(Signal::SIGKILL);
}

#[test]
fn the_demo_buys_as_the_address_that_it_is_given() {
    let folder = Folder::new();
    let daemon = up(&folder);
    let demo = run(levqor(&folder.data(), &["demo", "--email", "me@mine.example"]));
    let shown = text(&demo.stdout);
    assert!(demo.status.success() && shown.contains("A mail to me@mine.example"), "{shown}");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[tokio::test]
async fn everything_that_waits_for_a_person_is_listed_with_the_next_step() {
    let folder = Folder::new();
    let daemon = up(&folder);
    assert!(run(levqor(&folder.data(), &["demo"])).status.success());
    let none = run(levqor(&folder.data(), &["dead-letters"]));
    assert_eq!(text(&none.stdout), "no dead deferred calls, no quarantined events, no mails in doubt\n");

    let visitor = Visitor::of(&folder);
    visitor.deliver(&event("garbled", "checkout.session.completed", &json!({"id": "cs_test_garbled"}))).await;
    let db = connect(&folder.cluster().database("levqor_notifications").expect("url"));
    let statements = "UPDATE messages SET state = 'IN_DOUBT', doubt = 'the answer was lost', provider = NULL,
                             provider_message_id = NULL, send_time = NULL WHERE template = 'order_welcome';
                      INSERT INTO provider_events (provider_event_id, event_id, provider, state, failure, receive_time)
                      VALUES ('01900000-0000-7000-8000-000000000001', 'msg_1', 'resend', 'QUARANTINED', 'no type', now())";
    sqlx::raw_sql(statements).execute(db.pool()).await.expect("written");
    let listed = eventually("all are listed", || async {
        let listed = run(levqor(&folder.data(), &["dead-letters"]));
        assert!(listed.status.success(), "{}", text(&listed.stderr));
        let listed = text(&listed.stdout);
        listed.contains("evt_garbled").then_some(listed)
    })
    .await;
    for words in [
        "levqor replay event <id>",
        "evt_garbled checkout.session.completed",
        "quarantined events of the mail provider",
        "01900000-0000-7000-8000-000000000001",
        "no type",
        "/v1/messages/<id>:resolve",
        "order_welcome about order:",
        "the answer was lost",
    ] {
        assert!(listed.contains(words), "{words} is missing in {listed}");
    }
    assert!(!listed.contains('@'), "whom a mail is to is personal: {listed}");
    assert!(daemon.stop(Signal::SIGINT).success());
}
