//! The message of a command when the gateway refuses its request.

use crate::process::{Folder, Process, Signal, levqor, run, sentence, text, up};

#[test]
fn a_command_that_is_refused_names_each_field_that_is_wrong() {
    let folder = Folder::new();
    let daemon = up(&folder);
    let said = sentence(&run(levqor(&folder.data(), &["replay", "call", "billing", "not-an-id"])));
    assert!(said.contains("400 Bad Request"), "{said}");
    assert!(said.contains("\n  deferred_call_id: expected the id of a deferred call"), "{said}");
    assert!(said.contains("reason INVALID_REQUEST, request "), "{said}");

    let said = sentence(&run(levqor(&folder.data(), &["replay", "event", "evt_that_never_came"])));
    assert!(said.contains("404 Not Found") && said.contains("STRIPE_EVENT_NOT_FOUND"), "{said}");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn levqor_up_starts_with_every_setting_of_the_example_uncommented() {
    let folder = Folder::new();
    let example = run(levqor(&folder.data(), &["settings"]));
    let path = folder.0.join("env");
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("##");
    let mut settings = String::new();
    for line in text(&example.stdout).lines().filter(is_setting) {
        settings.extend([&line[1..], "\n"]);
    }
    std::fs::write(&path, settings).expect("written");
    let mut shell = std::process::Command::new("sh");
    // Only its address and its data folder are this test's own.
    let start =
        "set -a; . \"$0\"; LEVQOR_HTTP_ADDR=127.0.0.1:0; LEVQOR_DATA_DIR=\"$1\"; set +a; exec \"$2\" up";
    shell.args(["-euc", start]).arg(&path).arg(folder.data()).arg(env!("CARGO_BIN_EXE_levqor"));
    shell.env_clear().env("PATH", "/usr/bin:/bin").stdin(std::process::Stdio::null());
    let mut daemon = Process::start(shell);
    daemon.until("Ctrl-C stops everything");
    // The drain delay of the example is for a role behind a load balancer: five seconds each. The second Ctrl-C ends it at once.
    daemon.tell(Signal::SIGINT);
    daemon.until("Ctrl-C again ends it at once");
    assert!(daemon.stop(Signal::SIGINT).success());
}
