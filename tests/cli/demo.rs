//! `levqor demo` and `levqor token`: a newcomer's first commands.

use crate::process::{Folder, Process, Signal, levqor, run, sentence, text, up};

#[test]
fn the_demo_shows_the_order_and_both_mails() {
    let folder = Folder::new();
    let daemon = up(&folder);
    let demo = run(levqor(&folder.data(), &["demo"]));
    let shown = text(&demo.stdout);
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    for words in [
        "\"payment_state\": \"PAYMENT_STATE_PAID\"",
        "Welcome! Your Professional order is confirmed",
        "Next step: Tell us about your automation needs",
        "£249.00",
    ] {
        assert!(shown.contains(words), "{words} is missing in {shown}");
    }
    let letters = run(levqor(&folder.data(), &["dead-letters"]));
    assert_eq!(text(&letters.stdout), "no dead deferred calls, no quarantined events, no mails in doubt\n");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn token_prints_a_token_and_nothing_else() {
    let folder = Folder::new();
    let said = sentence(&run(levqor(&folder.data(), &["token"])));
    assert!(said.contains("levqor up") && said.lines().count() == 1, "{said}");

    let daemon = up(&folder);
    let output = run(levqor(&folder.data(), &["token", "--role", "staff", "--email", "a@b.example"]));
    let token = text(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!((token.lines().count(), token.trim().split('.').count()), (1, 3), "{token}");
    let wrong = run(levqor(&folder.data(), &["token", "--email", "nobody"]));
    assert!(sentence(&wrong).contains("--email"));
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn without_a_mesh_the_commands_name_the_next_step() {
    let folder = Folder::new();
    for command in [&["demo"][..], &["dead-letters"], &["replay", "event", "evt_1"]] {
        let said = sentence(&run(levqor(&folder.data(), command)));
        assert!(said.contains("levqor up") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn after_a_kill_the_commands_say_that_nothing_runs_here() {
    let folder = Folder::new();
    up(&folder).stop(Signal::SIGKILL);
    assert!(folder.data().join("run.json").exists(), "this test is about what a kill leaves behind");
    for command in [&["demo"][..], &["dead-letters"], &["replay", "event", "evt_1"]] {
        let said = sentence(&run(levqor(&folder.data(), command)));
        assert!(said.starts_with("levqor: no mesh is running here") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_asked_for_the_way_to_this_machine() {
    let folder = Folder::new();
    // Nothing listens on port 1.
    let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1"));
    let mut command = levqor(&folder.data(), &["up"]);
    command.envs(proxies);
    let mut daemon = Process::start(command);
    daemon.until("Ctrl-C stops everything");
    let mut command = levqor(&folder.data(), &["demo"]);
    command.envs(proxies);
    let demo = run(command);
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    assert!(daemon.stop(Signal::SIGINT).success());
}
