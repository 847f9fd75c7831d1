//! `PG*` variables are about some other server than the private one: they change what PostgreSQL's programs and our own
//! connections to it do, and so they are dropped where no server is named.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use levqor_runtime::config::{self, Env};

/// Starts this program once more without `PG*` variables, if there are any. The environment of a running process cannot be
/// changed without `unsafe`; a new program gets the one that it is given. The process stays the same.
pub(crate) fn drop_postgres_variables(env: &Env) -> anyhow::Result<()> {
    let is_named =
        ["LEVQOR_DATABASE_URL", "LEVQOR_DATABASE_URL_FILE"].iter().any(|name| env.get(name).is_some());
    let names = config::names_in_process("PG");
    if is_named || names.is_empty() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut again = Command::new(own_program());
    again.arg0(arguments.next().unwrap_or_else(|| "levqor".into())).args(arguments);
    for name in names {
        again.env_remove(name);
    }
    // It returns only where it fails.
    Err(again.exec()).context("cannot start without the PG* variables of the environment; unset them")
}

/// This program's file; where it was replaced since, what the kernel still has of it.
fn own_program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_default();
    if path.exists() { path } else { Path::new("/proc/self/exe").to_owned() }
}
