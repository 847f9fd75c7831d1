//! Pseudonyms: the names of people in the audit chain. `runtime.audit_actors` says whose they are; where a person is erased
//! from there, the chain stays whole, and says no more than their role.

use std::sync::Arc;

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// What the key is made for. The secret that it is made of signs tokens too.
const PURPOSE: &[u8] = b"levqor audit pseudonyms";
/// Bytes of the HMAC in a pseudonym: enough that no two people share one.
const BYTES: usize = 16;

/// Makes pseudonyms. Cheap to clone.
#[derive(Clone)]
pub struct Pseudonyms(Arc<hmac::Key>);

impl Pseudonyms {
    /// Under a key that this secret makes. Under another one, a person has another pseudonym from then on.
    pub(crate) fn new(secret: &SecretString) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let key = hmac::sign(&secret, PURPOSE);
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())))
    }

    /// That of the person with this `sub`.
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
