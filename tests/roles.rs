//! The roles of the mesh as processes of their own, as tests and the benchmark start them.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    process::{Command, Stdio},
};

use levqor_runtime::testing::{JWT_SECRET, MESH_KEY};

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Stripe's events and the orders.
    Billing,
    /// The mails.
    Notifications,
    /// The chat and the tickets.
    Support,
    /// Requests about personal data.
    Compliance,
    /// The gateway.
    Gateway,
}

impl Role {
    /// All of them, the gateway last.
    pub(crate) const ALL: [Self; 5] =
        [Self::Billing, Self::Notifications, Self::Support, Self::Compliance, Self::Gateway];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Notifications => "notifications",
            Self::Support => "support",
            Self::Compliance => "compliance",
            Self::Gateway => "gateway",
        }
    }
}

/// The binary that was built with these tests.
pub(crate) const THIS_BUILD: &str = env!("CARGO_BIN_EXE_levqor");

/// A build of the binary, with nothing from the environment.
pub(crate) fn levqor(build: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(build);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// The process of a role at an address, with its database, and where billing, notifications, support and compliance are reached.
pub(crate) fn serve(
    build: impl AsRef<OsStr>,
    role: Role,
    listen: SocketAddr,
    database: &str,
    peers: [&str; 4],
) -> Command {
    set_up(levqor(build, &["serve", role.name()]), role, listen, database, peers)
}

/// A command with the environment that the process of a role has.
pub(crate) fn set_up(
    mut command: Command,
    role: Role,
    listen: SocketAddr,
    database: &str,
    [billing, notifications, support, compliance]: [&str; 4],
) -> Command {
    match role {
        // Tests and benchmarks send in a second what one caller may send in an hour.
        Role::Gateway => command.env("LEVQOR_HTTP_ADDR", listen.to_string()).env("LEVQOR_RATE_LIMITS", "off"),
        Role::Billing | Role::Notifications | Role::Support | Role::Compliance => {
            command.env("LEVQOR_GRPC_ADDR", listen.to_string()).env("LEVQOR_DATABASE_URL", database)
        }
    };
    command.envs([
        ("LEVQOR_BILLING_ADDR", billing),
        ("LEVQOR_NOTIFICATIONS_ADDR", notifications),
        ("LEVQOR_SUPPORT_ADDR", support),
        ("LEVQOR_COMPLIANCE_ADDR", compliance),
        ("LEVQOR_MESH_KEY", MESH_KEY),
        ("LEVQOR_JWT_SECRET", JWT_SECRET),
        ("LEVQOR_ADDRESS_KEY", "an address key of tests which is long enough"),
        ("LEVQOR_DRAIN_DELAY_MS", "0"),
        // Not every test has a compliance.
        ("LEVQOR_LEDGER_CHECK", "false"),
        // To be able to answer, a service decodes its descriptors twice at its start. No test asks.
        ("LEVQOR_GRPC_REFLECTION", "false"),
        ("LEVQOR_LOG", "warn"),
    ]);
    command
}
