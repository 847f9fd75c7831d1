//! What the process was built from: the version, the commit, the contract.

use std::sync::OnceLock;

/// The version of the whole mesh.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Notes the commit, which only the binary's own build knows. A second call changes nothing.
pub fn set_commit(commit: &'static str) {
    // Fails only where it was noted before.
    let _ = COMMIT.set(commit);
}

/// The commit; empty where it is not known.
#[must_use]
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or_default()
}

/// A fingerprint of encoded descriptor sets: processes with the same one speak the same contract.
#[must_use]
pub fn protocol(descriptors: &[&[u8]]) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    descriptors.iter().for_each(|set| digest.update(set));
    let digest = digest.finish();
    format!("v1-{}", hex::encode(digest.as_ref().get(..6).unwrap_or_default()))
}
