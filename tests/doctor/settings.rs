//! A wrong setting fails its own line, and no other line.

use levqor_runtime::testing::recorder::{Behaviour, Recorder};

use super::checked_mesh::CheckedMesh;

const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn each_key_that_is_wrong_fails_its_own_line_and_no_other() {
    let checked = CheckedMesh::shared();
    let two = "whsec_of_tests,whsec_of_another_endpoint";
    for (name, value, failed, words) in [
        (
            "STRIPE_SECRET_KEY",
            "sk_test_hunter2",
            &[
                "billing.stripe_account",
                "billing.stripe_refetch",
                "billing.stripe_endpoint",
                "billing.stripe_prices",
            ][..],
            "Stripe answered 401",
        ),
        (
            "STRIPE_API_BASE",
            NOBODY,
            &[
                "billing.stripe_account",
                "billing.stripe_refetch",
                "billing.stripe_clock",
                "billing.stripe_endpoint",
                "billing.stripe_prices",
            ],
            "Stripe cannot be reached",
        ),
        (
            "STRIPE_WEBHOOK_SECRET",
            "whsec_hunter2",
            &["billing.stripe_webhooks"],
            "SIGNATURE_MISMATCH: the mesh does not know secret 1 of 1 of STRIPE_WEBHOOK_SECRET",
        ),
        (
            "STRIPE_WEBHOOK_SECRET",
            two,
            &["billing.stripe_webhooks"],
            "SIGNATURE_MISMATCH: the mesh does not know secret 2 of 2 of STRIPE_WEBHOOK_SECRET",
        ),
        (
            "RESEND_WEBHOOK_SECRET",
            "whsec_aHVudGVyMiBhbmQgaHVudGVyMg==",
            &["notifications.resend_webhooks"],
            "SIGNATURE_MISMATCH: the mesh does not know secret 1 of 1 of RESEND_WEBHOOK_SECRET",
        ),
        ("RESEND_API_KEY", "re_hunter2", &["notifications.mail_resend"], "RESEND_API_KEY is refused"),
        ("RESEND_API_BASE", NOBODY, &["notifications.mail_resend"], "no connection could be made"),
        (
            "LEVQOR_MAIL_FROM",
            "Levqor <orders at another.example>",
            &["settings.LEVQOR_MAIL_FROM", "settings.same"],
            "expected an address",
        ),
        (
            "LEVQOR_MESH_TLS_KEY",
            "/none",
            &["settings.LEVQOR_MESH_TLS_CERT", "settings.LEVQOR_MESH_TLS_CA", "settings.same"],
            "are set all or not at all",
        ),
    ] {
        let report = checked.doctor(&[(name, value)]);
        report.assert_only(failed, words);
        // After one mistake, the other checks of the role still run.
        assert!(report.with("ON").contains(&"notifications.database"), "{name}");
    }
}

#[test]
fn each_price_that_is_missing_or_another_is_named_with_its_fault() {
    let checked = CheckedMesh::shared();
    let missing = checked.doctor(&[("STRIPE_PRICE_PRO", "price_nowhere")]);
    missing.assert_only(&["billing.stripe_price_pro"], "STRIPE_PRICE_PRO: Stripe does not have it (404)");
    let swapped = checked.doctor(&[
        ("STRIPE_PRICE_STARTER", "price_growth"),
        ("STRIPE_PRICE_GROWTH", "price_dfystarter"),
        ("STRIPE_PRICE_DFY_STARTER", "price_starter"),
    ]);
    let all =
        ["billing.stripe_price_starter", "billing.stripe_price_growth", "billing.stripe_price_dfy_starter"];
    swapped.assert_only(&all, "STRIPE_PRICE_STARTER: its amount is 7900, not 1900 pence");
    let growth = "STRIPE_PRICE_GROWTH: its amount is 9900, not 7900 pence; it is paid once, not a month";
    assert_eq!(swapped.evidence("FAILED", all[1]), growth);
}

#[test]
fn a_receiver_that_refuses_or_is_not_there_fails_its_own_lines() {
    let (checked, refusing) = (CheckedMesh::shared(), Recorder::start());
    refusing.set_behaviour(Behaviour::Refusing);
    let otlp = ["telemetry.otlp_traces", "telemetry.otlp_logs", "telemetry.otlp_metrics"];
    for (name, value, failed, words) in [
        ("SENTRY_DSN", refusing.dsn(), &["telemetry.sentry"][..], "the server of SENTRY_DSN answered 503"),
        (
            "SENTRY_DSN",
            format!("{}/hunter2/1", NOBODY.replace("//", "//hunter2@")),
            &["telemetry.sentry"],
            "the server of SENTRY_DSN cannot be reached",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.endpoint(), &otlp, "refused: Unavailable"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", NOBODY.to_owned(), &otlp, "no connection could be made"),
        // The value of a hurried copy. It is reported once, and everything else is checked.
        ("SENTRY_DSN", "0123456789abcdef".to_owned(), &["settings.SENTRY_DSN"], "expected a DSN"),
    ] {
        let report = checked.doctor(&[(name, &value)]);
        report.assert_only(failed, words);
        assert_eq!(report.line("billing.stripe_account")["outcome"], "ON");
    }
}

#[test]
fn settings_that_the_mesh_was_not_given_are_named() {
    let checked = CheckedMesh::shared();
    let secret = ("LEVQOR_JWT_SECRET", "hunter2 hunter2 hunter2 hunter2 hunter2");
    let report = checked.doctor(&[secret, ("STRIPE_SECRET_KEY", "")]);
    report.assert_only(
        &["settings.same", "gateway.token", "notifications.mails_in_doubt"],
        "was given STRIPE_SECRET_KEY, and this command was not",
    );
    assert!(report.evidence("FAILED", "settings.same").contains("this command was given LEVQOR_JWT_SECRET"));
    assert!(report.evidence("FAILED", "gateway.token").starts_with("401: "));
    let off = report.evidence("OFF", "billing.stripe_account");
    assert_eq!(off, "STRIPE_SECRET_KEY is not set");
}

#[test]
fn a_server_that_never_answers_fails_only_its_own_line() {
    let (checked, silent) = (CheckedMesh::shared(), Recorder::start());
    silent.set_behaviour(Behaviour::Silent);
    // This server accepts connections and never answers.
    let door = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let door = format!("http://{}", door.local_addr().expect("an address"));
    let endpoint = silent.endpoint();
    let report = checked.doctor(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("STRIPE_API_BASE", &door),
    ]);
    let failed = report.with("FAILED");
    assert!(
        failed.contains(&"telemetry.otlp_traces") && failed.contains(&"billing.stripe_account"),
        "{failed:?}"
    );
    let other = |name: &&str| !name.starts_with("telemetry.otlp_") && !name.starts_with("billing.stripe_");
    // The timeout was not given to the mesh.
    assert_eq!(failed.into_iter().filter(other).collect::<Vec<_>>(), ["settings.same"]);
    let late = "Stripe did not answer within 10 seconds";
    assert_eq!(report.evidence("FAILED", "billing.stripe_account"), late);
}
