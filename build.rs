//! Notes the commit that a release is built from. A build for work on the code notes none: it would be made anew with
//! every commit.

use std::{env, process::Command};

#[expect(clippy::disallowed_methods, reason = "cargo passes its settings to build scripts this way")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Where there is no repository, as in a container's build.
    println!("cargo:rerun-if-env-changed=BUILD_COMMIT");
    let given = env::var("BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = given.or_else(|| if release { head() } else { None });
    // No name of ours: `cargo run` hands it to the program, which refuses settings that it does not know.
    println!("cargo:rustc-env=BUILT_FROM_COMMIT={}", commit.unwrap_or_default());
}

/// The commit that is checked out; none outside of a repository.
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
