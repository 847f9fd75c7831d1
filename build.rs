//! Stores the commit in a release build. A development build stores no commit, because then every commit would cause a
//! rebuild.

use std::{env, process::Command};

#[expect(clippy::disallowed_methods, reason = "cargo passes its settings to build scripts this way")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `BUILD_COMMIT` names the commit if there is no repository, as in a container's build.
    println!("cargo:rerun-if-env-changed=BUILD_COMMIT");
    let given = env::var("BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.or_else(|| if release { head() } else { None });
    // The name must not begin with `LEVQOR_`: `cargo run` passes the variable to the program, which refuses unknown settings.
    println!("cargo:rustc-env=BUILT_FROM_COMMIT={}", commit.unwrap_or_default());
}

/// The commit that is checked out. `None` outside of a repository.
fn head() -> Option<String> {
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
