//! Work that waits for a person is a WARNING, and does not change the exit code.

use super::checked_mesh::CheckedMesh;

const DEAD: &str =
    "INSERT INTO runtime.work (work_id, rpc, request, idempotency_key, state, due_time, create_time)
    VALUES (gen_random_uuid(), 'levqor.mail.v1.MailService/SendMessage', '', 'k', 'DEAD', now(), now())";
const QUARANTINED: &str = "INSERT INTO stripe_events
        (event_id, create_time, type, livemode, lease_key, body, state, failure)
    VALUES ('evt_odd', now(), 'checkout.session.completed', false, 'stripe:odd', '{}', 'QUARANTINED', 'odd')";
const IN_DOUBT: &str =
    "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash,
        class, category, requested_by, sender, subject, body_text, body_html, state, doubt, create_time)
    VALUES (gen_random_uuid(), 'order_welcome', 1, 'order:1', 'ada@example.com', sha256('ada'), 'TRANSACTIONAL', 'ORDERS', 'billing', 'Levqor',
        'Hello', '', '', 'IN_DOUBT', 'cut', now())";

#[test]
fn dead_calls_odd_events_and_mails_in_doubt_are_warnings() {
    let checked = CheckedMesh::start();
    checked.sabotage("billing", DEAD);
    checked.sabotage("billing", QUARANTINED);
    checked.sabotage("notifications", IN_DOUBT);
    let names = ["billing.deferred_calls", "billing.journal", "notifications.mails_in_doubt"];
    // The gateway's status of the services may be one second old.
    checked.until("the services tell of it", || checked.doctor(&[]).with("WARNING") == names);
    let report = checked.doctor(&[]);
    report.assert_none();
    let words = [
        "1 are dead: see `levqor dead-letters`",
        "1 could not be understood: see GET /v1/stripe-events?state=STATE_QUARANTINED",
        "200, 1: nobody knows whether they were sent",
    ];
    for (name, words) in names.into_iter().zip(words) {
        let evidence = report.evidence("WARNING", name);
        assert!(evidence.contains(words), "{words:?} is not in {evidence:?}");
    }
}
