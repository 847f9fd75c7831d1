//! Pseudonyms: the names of people in the audit chain. The table `runtime.audit_actors` maps each pseudonym to its `sub`. Erasure
//! deletes a person's rows from that table only. The chain still verifies, and then shows only the person's role.
//! Also the hashes under which callers are counted. No table maps such a hash to a person.

use std::sync::Arc;

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// The purposes of the derived keys. Each purpose has another key, which also differs from the secret, which signs tokens.
const PURPOSE: &[u8] = b"levqor audit pseudonyms";
const PURPOSE_OF_CALLERS: &[u8] = b"levqor callers of codes";
/// The bytes of the HMAC in a pseudonym. With 16 bytes, no two people have the same pseudonym.
const BYTES: usize = 16;

/// Makes pseudonyms. Cheap to clone.
#[derive(Clone)]
pub struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// Derives the key from this secret. After a change of the secret, a person gets another pseudonym.
    pub(crate) fn new(secret: &SecretString) -> Self {
        Self(Arc::new(derived(secret, PURPOSE)))
    }

    /// The pseudonym of the person with this `sub`.
    pub(crate) fn of(&self, sub: &str) -> String {
        let tag = hmac::sign(&self.0, sub.as_bytes());
        hex::encode(tag.as_ref().get(..BYTES).unwrap_or_default())
    }
}

/// Hashes the names of callers.
pub struct CallerHashes(hmac::Key);

impl CallerHashes {
    /// Derives the key from this secret. After a change of the secret, a caller gets another hash.
    pub(crate) fn new(secret: &SecretString) -> Self {
        Self(derived(secret, PURPOSE_OF_CALLERS))
    }

    /// The hash of the caller with this name.
    pub(crate) fn of(&self, caller: &str) -> Vec<u8> {
        hmac::sign(&self.0, caller.as_bytes()).as_ref().to_vec()
    }
}

/// The key for this purpose.
pub(crate) fn derived(secret: &SecretString, purpose: &[u8]) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, purpose).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_pseudonym_per_key() {
        let [one, two] = ["one", "two"].map(|secret| Pseudonyms::new(&SecretString::from(secret.to_owned())));
        let alice = one.of("alice");
        assert!(alice.len() == 2 * BYTES && !alice.contains("alice"));
        assert_eq!(alice, one.of("alice"));
        for other in [one.of("bob"), two.of("alice")] {
            assert_ne!(alice, other);
        }
    }

    #[test]
    fn a_caller_has_one_hash_per_key_that_differs_from_the_pseudonym() {
        let secret = SecretString::from("one".to_owned());
        let [first, again] = [(); 2].map(|()| CallerHashes::new(&secret).of("alice"));
        assert_eq!(first, again);
        assert_ne!(first, CallerHashes::new(&secret).of("bob"));
        assert!(!hex::encode(first).contains(&Pseudonyms::new(&secret).of("alice")));
    }
}
