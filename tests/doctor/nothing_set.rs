//! The output of the doctor if nothing is set, and if nothing runs.

use super::report::Report;
use crate::process::{Folder, Signal, levqor, up};

fn doctor(folder: &Folder) -> Report {
    Report::of(levqor(&folder.data(), &["doctor", "--json"]), &[])
}

#[test]
fn a_newcomers_mesh_is_well_and_each_thing_that_is_off_says_how_it_is_turned_on() {
    let folder = Folder::new();
    let daemon = up(&folder);
    let report = doctor(&folder);
    report.assert_none();
    for (name, why, how) in [
        ("billing.stripe_account", "STRIPE_SECRET_KEY is not set", "set STRIPE_SECRET_KEY to "),
        ("billing.stripe_prices", "STRIPE_SECRET_KEY is not set", "set STRIPE_SECRET_KEY to "),
        ("notifications.mail_resend", "RESEND_API_KEY is not set: mail stays", "set RESEND_API_KEY to "),
        ("notifications.mail_smtp", "SMTP_URL is not set", "set SMTP_URL to "),
        (
            "notifications.resend_webhooks",
            "RESEND_WEBHOOK_SECRET is not set: nothing",
            "set RESEND_WEBHOOK_SECRET to ",
        ),
        ("telemetry.sentry", "SENTRY_DSN is not set", "set SENTRY_DSN to the DSN"),
        (
            "telemetry.otlp_traces",
            "OTEL_EXPORTER_OTLP_ENDPOINT is not set",
            "set OTEL_EXPORTER_OTLP_ENDPOINT to",
        ),
        ("gateway.token_keys", "LEVQOR_JWKS_URL is not set", "set LEVQOR_JWKS_URL to"),
        (
            "compliance.google_drive_storage",
            "LEVQOR_STORAGE_DRIVE_CLIENT_ID is not set",
            "set LEVQOR_STORAGE_DRIVE_CLIENT_ID to",
        ),
        ("billing.can.dunning", "not part of this version", "it cannot be turned on in this version"),
    ] {
        assert!(report.evidence("OFF", name).starts_with(why), "{:#}", report.line(name));
        assert!(report.line(name)["turn_on"].as_str().is_some_and(|text| text.starts_with(how)), "{name}");
    }
    assert_eq!(report.evidence("ON", "notifications.mail_mailbox"), "it takes mail");
    let secret = report.evidence("ON", "billing.stripe_webhooks");
    assert!(secret.starts_with("signed with the secret: WEBHOOK_PROBE"), "{secret}");
    assert!(daemon.stop(Signal::SIGINT).success());
}

#[test]
fn without_a_mesh_there_is_one_failure_and_the_checks_that_need_it_are_named() {
    let folder = Folder::new();
    let report = doctor(&folder);
    report.assert_only(&["gateway"], "no mesh is running here: start `levqor up`, or set LEVQOR_URL");
    for name in ["billing.database", "billing.grpc", "notifications.grpc", "billing.stripe_webhooks"] {
        assert_eq!(report.line(name)["outcome"], "OFF", "{name}");
    }
    assert!(!folder.data().exists(), "the doctor made something");
}
