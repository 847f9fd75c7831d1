//! Each fault in the tables of a service is found by the doctor's line for it.

use super::checked_mesh::CheckedMesh;

/// The SQL that breaks billing's tables, the SQL that repairs them, the name of the doctor's line, and words in that line.
const SABOTAGE: &[(&str, &str, &str, &str)] = &[
    (
        "UPDATE runtime.audit_head SET sequence = 5",
        "UPDATE runtime.audit_head SET sequence = 0",
        "billing.audit_chain",
        "broken at entry 1: somebody changed or removed entries",
    ),
    (
        // Noon, so that no slot has only just begun.
        "CREATE OR REPLACE FUNCTION runtime.now() RETURNS timestamptz LANGUAGE sql STABLE
             RETURN date_trunc('day', statement_timestamp()) + interval '36 hours';
         CREATE FUNCTION no_slots() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no slots'; END $$;
         CREATE TRIGGER no_slots BEFORE INSERT ON runtime.schedule_slots EXECUTE FUNCTION no_slots();
         DELETE FROM runtime.schedule_slots WHERE schedule = 'purge_stripe_event_bodies'",
        "DROP FUNCTION no_slots CASCADE; CREATE OR REPLACE FUNCTION runtime.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
             RETURN statement_timestamp()",
        "billing.schedules",
        "late: purge_stripe_event_bodies (last none, next 20",
    ),
    (
        "CREATE SCHEMA skewed;
         GRANT USAGE ON SCHEMA skewed TO levqor_billing;
         CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 minute' $$;
         ALTER DATABASE levqor_billing SET search_path = skewed, pg_catalog, public",
        "ALTER DATABASE levqor_billing RESET search_path",
        "billing.database",
        " ms ahead of ours, more than 10 s",
    ),
];

#[test]
fn a_fault_of_the_tables_fails_its_own_line_until_it_is_corrected() {
    let checked = CheckedMesh::start();
    for &(sabotage, repair, name, words) in SABOTAGE {
        checked.sabotage("billing", sabotage);
        checked.doctor(&[]).assert_only(&[name], words);
        checked.sabotage("billing", repair);
        checked.doctor(&[]).assert_none();
    }
}

#[test]
fn a_migration_that_is_to_run_is_counted_and_the_service_that_waits_for_it_is_named() {
    let checked = CheckedMesh::start();
    let last = "(SELECT max(version) FROM runtime.migrations)";
    checked.sabotage("billing", &format!("DELETE FROM runtime.migrations WHERE version = {last}"));
    let report = checked.doctor(&[]);
    let words = report.evidence("FAILED", "billing.migrations");
    assert!(words.contains("1 pending, 0 of a newer version: run `levqor migrate billing`"), "{words}");
    assert!(report.with("FAILED").iter().all(|name| !name.starts_with("notifications.")));
    checked.until("the service says that it waits", || {
        let report = checked.doctor(&[]);
        let failed = report.with("FAILED");
        let waits = ["billing.migrations", "billing.grpc", "billing.status", "billing.stripe_webhooks"];
        waits.iter().all(|name| failed.contains(name))
    });
    let report = checked.doctor(&[]);
    assert!(report.evidence("FAILED", "billing.status").contains("1 to run: `levqor migrate`"));
    assert!(report.evidence("FAILED", "billing.grpc").contains("NOT_SERVING"));
    assert!(report.evidence("FAILED", "billing.stripe_webhooks").starts_with("signed: NOT_TAKEN"));
}

#[test]
fn a_migration_that_was_run_in_another_form_is_found() {
    let checked = CheckedMesh::start();
    let last = "(SELECT max(version) FROM runtime.migrations)";
    let change =
        |checksum| format!("UPDATE runtime.migrations SET checksum = {checksum} WHERE version = {last}");
    checked.sabotage("billing", &change("'\\x00' || checksum"));
    let report = checked.doctor(&[]);
    let words = report.evidence("FAILED", "billing.migrations");
    assert!(words.contains("1 were run in another form than this build's"), "{words}");
    checked.until("the service says so too", || {
        let report = checked.doctor(&[]);
        report.with("FAILED").contains(&"billing.status")
            && report.evidence("FAILED", "billing.status").contains("1 were run in another form")
    });
    checked.sabotage("billing", &change("substring(checksum FROM 2)"));
    checked.until("all is well again", || checked.doctor(&[]).with("FAILED").is_empty());
}

#[test]
fn a_database_of_a_newer_binary_is_a_warning_and_no_failure() {
    let checked = CheckedMesh::start();
    let newer = "INSERT INTO runtime.migrations (version, description, success, checksum, execution_time)
                 VALUES (99990101000000, 'newer', true, '', 0)";
    checked.sabotage("notifications", newer);
    let report = checked.doctor(&[]);
    report.assert_none();
    assert_eq!(report.with("WARNING"), ["notifications.migrations"]);
    let words = report.evidence("WARNING", "notifications.migrations");
    assert!(words.contains("0 pending, 1 of a newer version: this binary is older"), "{words}");
}

#[test]
fn a_mailbox_that_cannot_be_written_is_named() {
    let checked = CheckedMesh::start();
    checked.sabotage("notifications", "ALTER TABLE mailbox RENAME TO mislaid");
    let report = checked.doctor(&[("RESEND_API_KEY", "")]);
    report.assert_only(
        &["settings.same", "notifications.mail_mailbox"],
        "the mesh that runs here was given RESEND_API_KEY",
    );
    let words = report.evidence("FAILED", "notifications.mail_mailbox");
    assert!(words.starts_with("it takes no mail: "), "{words}");
}
