//! Pseudonyms: the names of people in the audit chain. The table `runtime.audit_actors` maps each pseudonym to its `sub`. Erasure
//! deletes a person's rows from that table only, so the chain still verifies, and shows no more of the person than the role.

use std::sync::Arc;

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// The purpose of the derived key. It keeps that key apart from the secret, which also signs tokens.
const PURPOSE: &[u8] = b"levqor audit pseudonyms";
/// The bytes of the HMAC that a pseudonym keeps. 16 are enough that no two people share one.
const BYTES: usize = 16;

/// Makes pseudonyms. Cheap to clone.
#[derive(Clone)]
pub struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// Derives the key from this secret. After a change of the secret, a person gets another pseudonym.
    pub(crate) fn new(secret: &SecretString) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let key = hmac::sign(&secret, PURPOSE);
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())))
    }

    /// The pseudonym of the person with this `sub`.
    pub(crate) fn of(&self, sub: &str) -> String {
        let tag = hmac::sign(&self.0, sub.as_bytes());
        hex::encode(tag.as_ref().get(..BYTES).unwrap_or_default())
    }
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
}
