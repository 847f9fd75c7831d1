//! What a command says when the gateway refuses what it asks.

use crate::process::{Folder, Signal, levqor, run, sentence, up};

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
