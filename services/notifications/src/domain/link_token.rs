//! The tokens in the links of mails. A token is valid for one purpose, and holds no address: only the keyed hash of one,
//! or the id of a subscription. The keys are derived from the address key, each for one purpose, so no token is valid for another
//! purpose.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;

use super::{
    address::{AddressHash, AddressKey},
    newsletter::SubscriptionId,
};

/// The length of a signature, in bytes.
const SIGNATURE: usize = 32;

/// Signs and reads the tokens.
pub struct LinkKeys {
    recipient: hmac::Key,
    confirmation: hmac::Key,
}

/// The token is not one of ours, or is for something else.
#[derive(Debug, thiserror::Error)]
#[error("the link is not valid")]
pub struct NotAToken;

impl LinkKeys {
    /// Derives the keys.
    #[must_use]
    pub fn new(key: &AddressKey) -> Self {
        Self {
            recipient: key.derive("preferences and unsubscribing"),
            confirmation: key.derive("confirmation of a newsletter subscription"),
        }
    }

    /// The token with which a recipient chooses their mails. It never expires.
    #[must_use]
    pub fn recipient(&self, recipient: &AddressHash) -> String {
        sign(&self.recipient, recipient.as_bytes())
    }

    /// Reads a recipient's token.
    pub fn read_recipient(&self, token: &str) -> Result<AddressHash, NotAToken> {
        read::<32>(&self.recipient, token).map(AddressHash::from)
    }

    /// The token that confirms a subscription. The subscription says how long it is valid.
    #[must_use]
    pub fn confirmation(&self, subscription: SubscriptionId) -> String {
        sign(&self.confirmation, subscription.as_uuid().as_bytes())
    }

    /// Reads the token of a confirmation.
    pub fn read_confirmation(&self, token: &str) -> Result<SubscriptionId, NotAToken> {
        let bytes = read::<16>(&self.confirmation, token)?;
        Ok(uuid::Uuid::from_bytes(bytes).into())
    }
}

fn sign(key: &hmac::Key, payload: &[u8]) -> String {
    let tag = hmac::sign(key, payload);
    BASE64_URL_SAFE_NO_PAD.encode([payload, tag.as_ref()].concat())
}

/// Compares the signature in constant time.
fn read<const N: usize>(key: &hmac::Key, token: &str) -> Result<[u8; N], NotAToken> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| NotAToken)?;
    if bytes.len() != N + SIGNATURE {
        return Err(NotAToken);
    }
    let (payload, tag) = bytes.split_at(N);
    hmac::verify(key, payload, tag).map_err(|_| NotAToken)?;
    payload.try_into().map_err(|_| NotAToken)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use secrecy::SecretString;

    use super::*;

    fn keys(secret: &str) -> LinkKeys {
        LinkKeys::new(&AddressKey::try_new(&SecretString::from(secret.repeat(32))).expect("a key"))
    }

    #[test]
    fn a_token_is_good_for_one_thing_and_with_one_key() {
        let (ours, others) = (keys("a"), keys("b"));
        let recipient = AddressHash::from([7; 32]);
        let subscription = SubscriptionId::new_at(DateTime::UNIX_EPOCH);
        let (of_recipient, of_subscription) = (ours.recipient(&recipient), ours.confirmation(subscription));
        assert!(ours.read_recipient(&of_recipient).is_ok_and(|read| read == recipient));
        assert!(ours.read_confirmation(&of_subscription).is_ok_and(|read| read == subscription));
        assert!(ours.read_recipient(&of_subscription).is_err());
        assert!(ours.read_confirmation(&of_recipient).is_err());
        assert!(others.read_recipient(&of_recipient).is_err());
        assert!(of_recipient.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }

    #[test]
    fn no_changed_token_is_read() {
        let keys = keys("a");
        let token = keys.recipient(&AddressHash::from([7; 32]));
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            let read = keys.read_recipient(&changed);
            // The last character has bits that mean nothing; a strict decoder refuses them.
            assert!(read.is_err(), "{place}");
        }
        for text in ["", "x", &token[1..], &format!("{token}A"), "../../etc"] {
            assert!(keys.read_recipient(text).is_err(), "{text}");
        }
    }
}
