//! Keyed hashes of addresses. A hash is kept after the erasure of its address. It matches the same address again, but the address cannot
//! be read from it.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::{config::Setting, email::Email};

/// The setting that holds the key. Notifications needs it, and compliance uses it for the evidence that outlives a person.
pub const ADDRESS_KEY: Setting = Setting::secret(
    "LEVQOR_ADDRESS_KEY",
    "The key of the hashes (HMAC) of mail addresses, which are kept after an address is erased; at least 32 bytes. Never \
     change it: with a new key, it is unknown who got mail, who unsubscribed and which addresses are suppressed.",
);

/// The key of the hashes. With a new key no stored address would match again, so the key is never rotated.
pub struct AddressKey(hmac::Key);

/// The secret is too short to be a key.
#[derive(Debug, thiserror::Error)]
#[error("not a key of at least {} bytes", AddressKey::LEAST_BYTES)]
pub struct TooShort;

impl AddressKey {
    /// The minimum length of the key, in bytes: the length of the hash.
    pub const LEAST_BYTES: usize = 32;

    /// The key that a secret makes.
    pub fn try_new(secret: &SecretString) -> Result<Self, TooShort> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < Self::LEAST_BYTES {
            return Err(TooShort);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// HMAC-SHA256 of the normalised address.
    #[must_use]
    pub fn hash(&self, address: &Email) -> AddressHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, address.as_str().as_bytes()).as_ref());
        AddressHash(hash)
    }

    /// A key for another purpose. It never equals the hash of an address, because an address has an `@` and the derived text has none.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> hmac::Key {
        let derived = hmac::sign(&self.0, format!("levqor key for {purpose}").as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

/// The hash of one address. Without the key the address cannot be found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressHash([u8; 32]);

impl AddressHash {
    /// The hash with these bytes. `None` if there are not 32.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes that the database stores.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for AddressHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        AddressKey::try_new(&SecretString::from(text.to_owned())).expect("a key")
    }

    #[test]
    fn one_address_has_one_hash_per_key() {
        let [alice, again, bob] = ["Alice@Example.com", "alice@example.com", "bob@example.com"]
            .map(|text| text.parse::<Email>().expect(text));
        let (one, two) = (key(&"a".repeat(32)), key(&"b".repeat(32)));
        assert!(one.hash(&alice) == one.hash(&again));
        assert!(one.hash(&alice) != one.hash(&bob));
        assert!(one.hash(&alice) != two.hash(&alice));
    }

    #[test]
    fn a_short_secret_is_not_a_key() {
        assert!(AddressKey::try_new(&SecretString::from("a".repeat(31))).is_err());
    }
}
