//! The command line.

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::services::{self, AnyService};

/// The back office of a software business: billing, notifications and their gateway.
#[derive(Debug, Parser)]
#[command(name = "levqor", version, about)]
pub(crate) struct Cli {
    /// What to do; `up` where nothing is said.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole mesh in one process on this machine, with a private PostgreSQL. Needs no setting.
    Up,
    /// Run one service, or the gateway, as a process of its own.
    Serve {
        /// Which.
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// Bring the database of one service (`LEVQOR_DATABASE_URL`) up to this binary.
    Migrate {
        /// Whose tables.
        #[arg(value_parser = services())]
        service: &'static dyn AnyService,
    },
    /// Print a signed token for trying the API, and nothing else.
    Token(TokenArguments),
    /// Post a signed sample checkout to the running mesh, and show the order and the mails that follow.
    Demo(DemoArguments),
    /// Check every setting and every outside system for real, with evidence; exit 1 if anything that is on does not work.
    Doctor(DoctorArguments),
    /// List what waits for a person: deferred calls that failed for good, quarantined events, and mails in doubt.
    DeadLetters,
    /// Run something again.
    Replay {
        /// What.
        #[command(subcommand)]
        what: Replay,
    },
    /// Remove the private database of `levqor up` and the secrets that it made, to begin anew.
    Reset(ResetArguments),
    /// Print every setting with its default and meaning, as `.env.example` has them.
    Settings,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Who buys, and gets the mails. Needed where the mesh sends real mail: it must be an address of your own.
    #[arg(long)]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Check what `levqor serve` of this role would read from this environment. Without it: what `levqor up` would, and the
    /// mesh that runs here.
    #[arg(value_parser = roles())]
    pub(crate) role: Option<Role>,
    /// Print one JSON document, described in docs/DOCTOR.md, instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a process can be.
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
    /// What the person may do.
    #[arg(long, value_enum, default_value = "customer")]
    pub(crate) role: TokenRole,
    /// The person's mail address, which the token vouches for.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// The person's name at the identity provider; made from the address or the role where it is not given.
    #[arg(long)]
    pub(crate) sub: Option<String>,
    /// How long the token is good, in seconds; at most `LEVQOR_JWT_MAX_LIFETIME_S`. Without it an hour, or that setting where it is
    /// less.
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
        /// Stripe's id, `evt_…`.
        event_id: String,
    },
    /// Make a deferred call due now.
    Call {
        /// Whose call.
        service: String,
        /// Its id, as `levqor dead-letters` shows it.
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
