//! Each role as a process of its own: the same mesh, in several processes.

use std::path::Path;

use levqor_runtime::testing::{cluster, process::free_port};

use crate::process::{Folder, Process, Signal, levqor, run, text};

const SETTINGS: &[(&str, &str)] = &[
    ("LEVQOR_MESH_KEY", "a mesh key of more than thirty-two characters"),
    ("LEVQOR_JWT_SECRET", "a shared secret of more than thirty-two characters"),
    ("LEVQOR_ADDRESS_KEY", "an address key of more than thirty-two characters"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_of_four_processes"),
    ("LEVQOR_STRIPE_LIVEMODE", "false"),
];

fn port() -> String {
    free_port().to_string()
}

fn process(data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> std::process::Command {
    let mut command = levqor(data, arguments);
    command.envs(SETTINGS.iter().copied()).envs(settings.iter().copied()).env("LEVQOR_DRAIN_DELAY_MS", "0");
    command.env("LEVQOR_LEDGER_CHECK", "false");
    command
}

#[test]
fn three_roles_in_processes_of_their_own_serve_the_journey() {
    let folder = Folder::new();
    let (data, postgres) = (folder.data(), cluster());
    let (billing, notifications, gateway) = (port(), port(), port());
    let url = format!("http://{gateway}");
    let (billing_db, notifications_db) = (postgres.url("serve_billing"), postgres.url("serve_notifications"));
    // Support and compliance do not run here: the others do without them.
    let addresses = [
        ("LEVQOR_BILLING_ADDR", billing.as_str()),
        ("LEVQOR_NOTIFICATIONS_ADDR", &notifications),
        ("LEVQOR_SUPPORT_ADDR", "127.0.0.1:1"),
        ("LEVQOR_COMPLIANCE_ADDR", "127.0.0.1:1"),
    ];
    let of = |database: &str, listen: &str| {
        let own = [("LEVQOR_DATABASE_URL", database.to_owned()), ("LEVQOR_GRPC_ADDR", listen.to_owned())];
        own.into_iter().chain(addresses.map(|(name, value)| (name, value.to_owned()))).collect::<Settings>()
    };
    create_databases(&["serve_billing", "serve_notifications"]);
    for (service, database) in [("billing", &billing_db), ("notifications", &notifications_db)] {
        let done = run(process(&data, &["migrate", service], &[("LEVQOR_DATABASE_URL", database)]));
        assert_eq!(
            text(&done.stdout),
            format!("{service}: no migration is pending\n"),
            "{}",
            text(&done.stderr)
        );
    }
    let gateway_settings: Settings = addresses
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .chain([("LEVQOR_HTTP_ADDR", gateway.clone())])
        .collect();
    let roles = [
        ("billing", of(&billing_db, &billing)),
        ("notifications", of(&notifications_db, &notifications)),
        ("gateway", gateway_settings),
    ];
    let start =
        |(role, settings): &(&str, Settings)| Process::start(of_role(&data, ["serve", role], settings));
    let mut daemons: Vec<_> = roles.iter().map(start).collect();
    for daemon in &mut daemons {
        daemon.until("serving");
    }
    let demo = run(process(&data, &["demo"], &[("LEVQOR_URL", &url)]));
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    assert!(text(&demo.stdout).contains("Welcome! Your Professional order is confirmed"));
    let health = |(role, settings): &(&str, Settings)| run(of_role(&data, ["health", role], settings));
    for answer in roles.iter().map(health) {
        assert!(answer.status.success(), "{}", text(&answer.stderr));
    }
    for daemon in daemons {
        assert!(daemon.stop(Signal::SIGTERM).success());
    }
    for answer in roles.iter().map(health) {
        assert!(!answer.status.success(), "{}", text(&answer.stdout));
        assert!(text(&answer.stderr).contains(" is not ready: "), "{}", text(&answer.stderr));
    }
}

/// The settings of a process besides those that all have.
type Settings = Vec<(&'static str, String)>;

/// A command about a role, with the settings of its process.
fn of_role(data: &Path, arguments: [&str; 2], settings: &[(&str, String)]) -> std::process::Command {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    process(data, &arguments, &settings)
}

fn create_databases(names: &[&str]) {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        use sqlx::Connection;
        let server = cluster().database("postgres").expect("url");
        let mut conn = sqlx::PgConnection::connect_with(server.options()).await.expect("answers");
        for name in names {
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::raw_sql(create).execute(&mut conn).await.expect("made");
        }
    });
}
