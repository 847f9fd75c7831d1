//! Removes the `PG*` variables from the environment if no server is named. They describe another server than the private one, and
//! they would change how PostgreSQL's programs and our own connections reach it.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use levqor_runtime::config::{self, Env};

/// Starts this program again without `PG*` variables, if there are any. A running process cannot change its environment without
/// `unsafe`, but a new program can get another environment. The process id stays the same.
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
    // `exec` returns only if it fails.
    Err(again.exec()).context("cannot start without the PG* variables of the environment; unset them")
}

/// The file of this program. If the file was replaced meanwhile, the kernel's handle of the old file.
fn own_program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_default();
    if path.exists() { path } else { Path::new("/proc/self/exe").to_owned() }
}
