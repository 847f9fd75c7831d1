//! The one binary of the mesh: it parses the command line and starts the command.

mod ambient;
mod cli;
mod client;
mod demo;
mod doctor;
mod health;
mod mesh;
mod migrate;
mod operate;
mod output;
mod refusal;
mod reset;
mod serve;
#[cfg_attr(test, expect(dead_code, reason = "tests of the mesh need more of it than the commands do"))]
mod services;
mod settings;
mod state;
mod threads;
mod token;
mod up;

use std::process::ExitCode;

use clap::Parser;
use levqor_runtime::config::Env;

use crate::cli::{Cli, Command};

#[cfg(not(debug_assertions))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    levqor_runtime::install_crypto();
    levqor_runtime::port::raise_open_files();
    levqor_runtime::version::set_commit(env!("BUILT_FROM_COMMIT"));
    let env = Env::from_process();
    if let Err(error) = ambient::drop_postgres_variables(&env) {
        output::error(&error);
        return ExitCode::FAILURE;
    }
    let threads = threads::count(&env);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&anyhow::Error::new(error).context("cannot start the async runtime"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli, env)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli, env: Env) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Up) {
        Command::Up => up::up(env).await,
        Command::Serve { role } => serve::serve(&env, role).await,
        Command::Migrate { service } => migrate::migrate(&env, service).await,
        Command::Token(arguments) => token::token(&env, &arguments),
        Command::Doctor(arguments) => doctor::doctor(env, &arguments).await,
        Command::Health { role } => health::health(&env, role).await,
        Command::Demo(arguments) => demo::demo(&env, &arguments).await,
        Command::DeadLetters => operate::dead_letters(&env).await,
        Command::Replay { what } => operate::replay(&env, what).await,
        Command::Reset(arguments) => reset::reset(&env, &arguments).await,
        Command::Settings => output::lines(&settings::example()),
    }
}
