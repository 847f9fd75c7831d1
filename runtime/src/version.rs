//! The build of the process: version, commit and contract.

use std::sync::OnceLock;

/// The version of the whole mesh.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Sets the commit, which only the binary's own build knows. A second call changes nothing.
pub fn set_commit(commit: &'static str) {
    // Fails only if the commit is already set.
    let _ = COMMIT.set(commit);
}

/// The commit; empty where it is unknown.
#[must_use]
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or_default()
}

/// A fingerprint of encoded descriptor sets: processes with the same fingerprint have the same contract.
#[must_use]
pub fn protocol(descriptors: &[&[u8]]) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for set in descriptors {
        digest.update(set);
    }
    let digest = digest.finish();
    format!("v1-{}", hex::encode(digest.as_ref().get(..6).unwrap_or_default()))
}
