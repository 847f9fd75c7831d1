//! Every mistake in the settings is reported in one run, with the setting's name and the expected form, and no value.

use crate::process::{Folder, levqor, run, sentence};

#[test]
fn up_reports_every_mistake_at_once() {
    let folder = Folder::new();
    let mut command = levqor(&folder.data(), &["up"]);
    let settings = [
        ("LEVQOR_HTTP_ADDR", "hunter2"),
        ("LEVQOR_LOG_FORMAT", "hunter2"),
        ("LEVQOR_JWT_SECRET", "hunter2"),
        ("LEVQOR_MESH_KEY", "hunter2"),
        ("LEVQOR_ADDRESS_KEY", "hunter2"),
        ("LEVQOR_DATABASE_URL", "hunter2"),
        ("LEVQOR_BILLING_ADDR", "hunter2"),
        ("LEVQOR_REQUEST_TIMEOUT_MS", "hunter2"),
        ("LEVQOR_MAIL_FROM", "hunter2"),
        ("LEVQOR_SITE_URL", "hunter2"),
        ("LEVQOR_SUPPORT_EMAIL", "hunter2"),
        ("LEVQOR_STORAGE_KEY", "hunter2"),
        ("LEVQOR_ENVIRONMENT", "hunter2/"),
        ("SENTRY_DSN", "hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("LEVQOR_TRUST_TRACE_SAMPLING", "hunter2"),
        ("LEVQOR_JWT_MAX_LIFETIME_S", "hunter2"),
        ("LEVQOR_MISSPELT", "hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "hunter2"),
        ("STRIPE_SECRET_KEY", "hunter2"),
        ("STRIPE_API_BASE", "hunter2"),
        // One place to listen on is needed, not several and not a name.
        ("LEVQOR_NOTIFICATIONS_ADDR", "127.0.0.1:1,127.0.0.1:2"),
        ("STRIPE_SECRET", "hunter2"),
        ("STRIPE_WEBHOOK_SECRETS", "hunter2"),
        ("STRIPE_API_VERSION", "hunter2"),
    ];
    command.envs(settings);
    let said = sentence(&run(command));
    for (name, _) in settings {
        let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{name}:")));
        let expected = line.unwrap_or_else(|| panic!("{name} is not reported in {said}"));
        assert!(expected.len() > name.len() + 10, "{name}: it does not say what is expected");
    }
    assert_eq!(said.lines().count(), 1 + settings.len(), "something is reported twice: {said}");
    assert!(!said.contains("hunter2"), "a value is shown: {said}");
    assert!(!folder.data().join("postgres").exists(), "something was opened before the settings were sound");
}

#[test]
fn a_service_on_its_own_refuses_to_start_without_its_secrets() {
    let folder = Folder::new();
    for (role, needs) in [
        (
            "billing",
            &[
                "LEVQOR_DATABASE_URL",
                "LEVQOR_MESH_KEY",
                "LEVQOR_JWT_SECRET",
                "STRIPE_WEBHOOK_SECRET",
                "LEVQOR_NOTIFICATIONS_ADDR",
                "LEVQOR_COMPLIANCE_ADDR",
            ][..],
        ),
        (
            "notifications",
            &[
                "LEVQOR_DATABASE_URL",
                "LEVQOR_MESH_KEY",
                "LEVQOR_JWT_SECRET",
                "LEVQOR_ADDRESS_KEY",
                "LEVQOR_BILLING_ADDR",
                "LEVQOR_SUPPORT_ADDR",
                "LEVQOR_COMPLIANCE_ADDR",
            ],
        ),
        (
            "compliance",
            &[
                "LEVQOR_DATABASE_URL",
                "LEVQOR_MESH_KEY",
                "LEVQOR_BILLING_ADDR",
                "LEVQOR_NOTIFICATIONS_ADDR",
                "LEVQOR_SUPPORT_ADDR",
            ],
        ),
        (
            "support",
            &[
                "LEVQOR_DATABASE_URL",
                "LEVQOR_MESH_KEY",
                "LEVQOR_BILLING_ADDR",
                "LEVQOR_NOTIFICATIONS_ADDR",
                "LEVQOR_COMPLIANCE_ADDR",
            ],
        ),
        (
            "gateway",
            &[
                "LEVQOR_MESH_KEY",
                "LEVQOR_JWT_SECRET",
                "LEVQOR_BILLING_ADDR",
                "LEVQOR_NOTIFICATIONS_ADDR",
                "LEVQOR_SUPPORT_ADDR",
                "LEVQOR_COMPLIANCE_ADDR",
            ],
        ),
    ] {
        let said = sentence(&run(levqor(&folder.data(), &["serve", role])));
        for name in needs {
            assert!(said.contains(name), "{role}: {name} is missing in {said}");
        }
    }
}

#[test]
fn a_role_that_others_may_overhear_needs_certificates_or_the_word_off() {
    let folder = Folder::new();
    let mut listens = levqor(&folder.data(), &["serve", "billing"]);
    listens.env("LEVQOR_GRPC_ADDR", "0.0.0.0:50051");
    let mut calls = levqor(&folder.data(), &["serve", "gateway"]);
    let addresses = levqor_gateway::methods().services().iter();
    let addresses = addresses.map(|service| format!("LEVQOR_{}_ADDR", service.to_uppercase()));
    calls.envs(addresses.map(|name| (name, "dns:mesh.example:50051")));
    for command in [listens, calls] {
        let said = sentence(&run(command));
        assert!(said.contains("LEVQOR_MESH_TLS_CERT: is not set"), "{said}");
        assert!(said.contains("LEVQOR_MESH_TLS=off"), "{said}");
    }
}

#[test]
fn a_name_is_no_place_to_listen_on_and_the_websites_settings_are_not_ours() {
    let folder = Folder::new();
    let mut command = levqor(&folder.data(), &["up"]);
    command.env("LEVQOR_BILLING_ADDR", "dns:billing:50051");
    command.env("STRIPE_PRICE_DFY_STARTER", "price_1").env("STRIPE_PUBLISHABLE_KEY", "pk_test_1");
    command.env("LEVQOR_TLS_CERT", "/none");
    let said = sentence(&run(command));
    assert!(said.contains("LEVQOR_TLS_CERT: is for `levqor serve gateway`"), "{said}");
    assert!(said.contains("LEVQOR_BILLING_ADDR: expected one address and port"), "{said}");
    assert!(!said.contains("STRIPE_"), "{said}");
}
