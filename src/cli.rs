//! The command line.

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::services::{self, AnyService};

/// The back office of a software business: billing, compliance, notifications, support and their gateway.
#[derive(Debug, Parser)]
#[command(name = "levqor", version, about)]
pub(crate) struct Cli {
    /// The command; `up` if none is given.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole mesh in one process on this machine, with a private PostgreSQL. Needs no setting.
    Up,
    /// Run one service or the gateway as a process of its own.
    Serve {
        /// The role to run.
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// Apply the pending migrations of one service's database (`LEVQOR_DATABASE_URL`).
    Migrate {
        /// The service whose database to migrate.
        #[arg(value_parser = services())]
        service: &'static dyn AnyService,
    },
    /// Print a signed token to try the API with; the output is only the token.
    Token(TokenArguments),
    /// Post a signed sample checkout to the running mesh, and show the resulting order and mails.
    Demo(DemoArguments),
    /// Check every setting and every outside system, and print evidence; exit with 1 if a feature that is on does not work.
    Doctor(DoctorArguments),
    /// Ask the process of a role on this machine whether it is ready, at the address of its settings; exit with 1 if it is not.
    Health {
        /// The role that runs here.
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// List the work that needs a person: dead deferred calls, quarantined events and mails in doubt.
    DeadLetters,
    /// Process an event, or make a deferred call, again.
    Replay {
        /// The kind of work.
        #[command(subcommand)]
        what: Replay,
    },
    /// Remove the private database and the generated secrets of `levqor up`, to start again from nothing.
    Reset(ResetArguments),
    /// Print every setting with its default and meaning, in the format of `.env.example`.
    Settings,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The buyer's mail address. Required if the mesh sends real mail; use an address of your own.
    #[arg(long)]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// Do not ask for confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Check the settings that `levqor serve` of this role reads from this environment. Without a role: those of `levqor up`, and
    /// the mesh that runs on this machine.
    #[arg(value_parser = roles())]
    pub(crate) role: Option<Role>,
    /// Print one JSON document, described in docs/DOCTOR.md, instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The roles of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Service(&'static dyn AnyService),
    Gateway,
}

impl Role {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Service(service) => service.name(),
            Self::Gateway => levqor_gateway::NAME,
        }
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

fn services() -> impl TypedValueParser<Value = &'static dyn AnyService> {
    let names = services::ALL.iter().map(|service| service.name());
    PossibleValuesParser::new(names).try_map(|name| services::find(&name).ok_or("no service"))
}

fn roles() -> impl TypedValueParser<Value = Role> {
    let names = services::ALL.iter().map(|service| service.name()).chain([levqor_gateway::NAME]);
    PossibleValuesParser::new(names).map(|name| services::find(&name).map_or(Role::Gateway, Role::Service))
}

#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The person's role.
    #[arg(long, value_enum, default_value = "customer")]
    pub(crate) role: TokenRole,
    /// The person's mail address; the token marks it as verified.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// The person's id at the identity provider. The default is made from the mail address or the role.
    #[arg(long)]
    pub(crate) sub: Option<String>,
    /// The token's lifetime in seconds; at most `LEVQOR_JWT_MAX_LIFETIME_S`. The default is an hour, or that setting if it is
    /// shorter.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) ttl: Option<i64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TokenRole {
    Customer,
    Staff,
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Replay {
    /// Process a Stripe event again from the journal.
    Event {
        /// Stripe's id of the event, `evt_…`.
        event_id: String,
    },
    /// Make a deferred call due now.
    Call {
        /// The service that has the call.
        service: String,
        /// The id of the call, as `levqor dead-letters` shows it.
        deferred_call_id: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
