//! If everything works, every line of the doctor has its evidence, the test data has arrived, and the checks leave no data
//! behind.

use super::checked_mesh::CheckedMesh;
use crate::process::{run, text};

/// The name of a line, the request behind it, and words of its evidence.
const LINES: &[(&str, &str, &str)] = &[
    ("settings", "", "and each can be read"),
    ("settings.same", "", "were given the same ones"),
    ("billing.database", "SELECT server_version", "PostgreSQL "),
    ("billing.migrations", "the history", " applied, 0 pending, 0 of a newer version"),
    ("billing.schedules", "the last slot of each", "purge_stripe_event_bodies (last 20"),
    ("billing.audit_chain", "every audit entry", "whole, "),
    ("notifications.database", "SELECT server_version", "its clock agrees with ours"),
    ("notifications.migrations", "the history", " applied, 0 pending, 0 of a newer version"),
    ("notifications.schedules", "the last slot of each", "test_error_reports (last 20"),
    ("notifications.audit_chain", "every audit entry", "whole, "),
    ("support.database", "SELECT server_version", "its clock agrees with ours"),
    ("support.migrations", "the history", " applied, 0 pending, 0 of a newer version"),
    ("support.schedules", "the last slot of each", "sweep_tickets (last 20"),
    ("support.audit_chain", "every audit entry", "whole, "),
    ("compliance.database", "SELECT server_version", "its clock agrees with ours"),
    ("compliance.migrations", "the history", " applied, 0 pending, 0 of a newer version"),
    ("compliance.schedules", "the last slot of each", "sweep_data_requests (last 20"),
    ("compliance.audit_chain", "every audit entry", "whole, "),
    ("billing.grpc", "grpc.health.v1.Health/Check", "SERVING, by all of its "),
    ("notifications.grpc", "grpc.health.v1.Health/Check", "SERVING, by all of its "),
    ("support.grpc", "grpc.health.v1.Health/Check", "SERVING, by all of its "),
    ("compliance.grpc", "grpc.health.v1.Health/Check", "SERVING, by all of its "),
    ("gateway.live", "GET /health/live", "200"),
    (
        "gateway.ready",
        "GET /health/ready",
        "200, billing UP, compliance UP, gateway UP, notifications UP, support UP",
    ),
    ("gateway.clock", "the Date of an answer", "its clock agrees with ours"),
    ("gateway.token", "GET /v1/status as staff", "200"),
    ("billing.status", "GET /v1/status as staff", "UP since 20"),
    ("billing.deferred_calls", "GET /v1/status as staff", "0 are dead"),
    ("billing.journal", "GET /v1/status as staff", "0 events wait, 0 could not be understood"),
    ("billing.can.otlp", "GET /v1/status as staff", ""),
    ("notifications.status", "GET /v1/status as staff", "UP since 20"),
    ("support.status", "GET /v1/status as staff", "UP since 20"),
    ("compliance.status", "GET /v1/status as staff", "UP since 20"),
    ("notifications.mails_in_doubt", "state=STATE_IN_DOUBT", "200, none"),
    (
        "billing.stripe_webhooks",
        "POST /webhooks/stripe, signed",
        "signed with each of 2 secrets: WEBHOOK_PROBE",
    ),
    (
        "notifications.resend_webhooks",
        "POST /webhooks/resend, signed",
        "signed with each of 2 secrets: WEBHOOK_PROBE",
    ),
    ("billing.stripe_account", "GET /v1/account", "acct_1levqor, test mode, it may take payments"),
    ("billing.stripe_refetch", "GET /v1/checkout/sessions?limit=1", "the key may read checkout sessions"),
    (
        "billing.stripe_endpoint",
        "GET /v1/webhook_endpoints",
        "enabled, and subscribed to all 33 types of events that have an effect",
    ),
    ("billing.order_files", "a file that is written, read and removed", "takes files and gives them back"),
    ("support.storage", "a file that is written, read and removed", "takes files and gives them back"),
    ("compliance.storage", "a file that is written, read and removed", "takes files and gives them back"),
    ("billing.stripe_clock", "the Date of an answer", "its clock agrees with ours"),
    ("billing.stripe_price_starter", "GET /v1/prices/price_starter", "Starter, £19.00 a month, active"),
    ("billing.stripe_price_business_year", "GET /v1/prices/", "Business, £1490.00 a year, active"),
    ("notifications.mail_resend", "/domains", "200, the key is good and levqor.ai is verified"),
    ("telemetry.sentry", "a test event to 127.0.0.1", "200, event "),
    ("telemetry.otlp_traces", "TraceService/Export of a span to 127.0.0.1", "OK, trace "),
    ("telemetry.otlp_logs", "LogsService/Export of a record to 127.0.0.1", "OK, trace "),
    (
        "telemetry.otlp_metrics",
        "MetricsService/Export of a gauge to 127.0.0.1",
        "OK, gauge levqor.doctor.test",
    ),
    ("telemetry.metrics", "GET /metrics", "200, "),
];

#[test]
fn every_line_has_the_request_and_the_answer_and_the_exit_code_is_0() {
    let checked = CheckedMesh::start();
    let report = checked.doctor(&[]);
    for (name, asked, words) in LINES {
        let evidence = report.evidence("ON", name);
        assert!(evidence.contains(words), "{name}: {words:?} is not in {evidence:?}");
        let said = report.line(name)["asked"].as_str().expect("text");
        assert!(said.contains(asked) && said.is_empty() == asked.is_empty(), "{name}: {said:?}");
    }
    assert_eq!((report.with("FAILED").len(), report.with("WARNING").len()), (0, 0), "{:#}", report.json);
    let prices = report.with("ON").into_iter().filter(|name| name.starts_with("billing.stripe_price_"));
    assert_eq!(prices.count(), 14);
    assert_eq!(report.json["ok"], true);
}

#[test]
fn sent_events_arrive_and_the_probe_leaves_no_event_and_no_count() {
    let checked = CheckedMesh::start();
    let report = checked.doctor(&[]);
    let last = |name: &str| report.evidence("ON", name).rsplit(' ').next().expect("an id").to_owned();
    let received = checked.recorder.received();
    let event = last("telemetry.sentry");
    assert_eq!(event.len(), 32, "an id of Sentry's");
    assert!(received.everything.replace('-', "").contains(&event), "Sentry has no {event}");
    assert!(
        received.everything.contains("This is a test by levqor doctor"),
        "it does not say that it is a test"
    );
    let ours =
        received.spans.iter().find(|span| hex::encode(&span.it.trace_id) == last("telemetry.otlp_traces"));
    let span = ours.expect("the receiver has the span");
    assert_eq!(
        (span.service.as_str(), span.it.name.as_str()),
        ("levqor-doctor", "levqor doctor: this is a test")
    );
    let records = received.logs.iter().filter(|record| record.service == "levqor-doctor");
    let traces: Vec<_> = records.map(|record| hex::encode(&record.it.trace_id)).collect();
    assert_eq!(traces, [last("telemetry.otlp_logs")]);
    assert!(received.everything.contains("levqor.doctor.test"), "the receiver has no gauge");
    drop(received);

    assert_eq!(checked.mail.accepted().len(), 0, "a mail was sent");
    assert_eq!(checked.count("billing", "stripe_events"), 0, "the probe was journaled");
    assert_eq!(checked.count("notifications", "provider_events"), 0, "the probe was journaled");
    let metrics = checked.metrics();
    let counted = |line: &&str| line.starts_with("levqor_webhook_") && !line.ends_with(" 0");
    assert!(metrics.contains("levqor_webhook_verified"), "the metrics are called otherwise");
    assert_eq!(metrics.lines().filter(counted).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn people_get_a_table_that_says_the_same() {
    let checked = CheckedMesh::start();
    let output = run(checked.command(&["doctor"], &[]));
    let table = text(&output.stdout);
    assert!(output.status.success(), "{table}{}", text(&output.stderr));
    let first = table.lines().next().expect("a line");
    let url = checked.run_file()["url"].as_str().expect("an address").to_owned();
    assert_eq!(first, format!("levqor doctor: the `levqor up` that runs here, at {url}"));
    let line = |words: &str| {
        let line = table.lines().find(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("no {words:?} in {table}")).to_owned()
    };
    assert!(line("billing.stripe_account").starts_with("  ON       billing.stripe_account  "), "{table}");
    assert!(line("GET /v1/account → acct_1levqor").ends_with(" ms)"), "{table}");
    assert!(line("billing.can.dunning").ends_with("to turn it on: it cannot be turned on in this version"));
    assert!(line(" to look at, ").ends_with(" off, 0 to look at, 0 failed"), "{table}");
}
