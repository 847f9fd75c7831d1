//! The token of a visitor's conversation, or of a link in a mail: 32 random bytes. Anybody who has it may read and continue the
//! conversation, or use the page of the link.

use std::str::FromStr;

use ring::digest::{SHA256, digest};

/// Bytes of the token: it cannot be guessed.
pub(crate) const BYTES: usize = 32;

/// The token.
pub(crate) struct SecretToken([u8; BYTES]);

/// The text is not a token.
#[derive(Debug, thiserror::Error)]
#[error("the link is not valid")]
pub(crate) struct NotAToken;

impl SecretToken {
    /// A token of these bytes, which must be random.
    pub(crate) const fn new(secret: [u8; BYTES]) -> Self {
        Self(secret)
    }

    /// The hash of the token, for databases that never need the token itself.
    pub(crate) fn hash(&self) -> Vec<u8> {
        digest(&SHA256, &self.0).as_ref().to_vec()
    }

    /// The text that the person gets.
    pub(crate) fn to_text(&self) -> String {
        hex::encode(self.0)
    }
}

impl FromStr for SecretToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let mut bytes = [0; BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAToken)?;
        let token = Self(bytes);
        // There is one spelling of a token.
        if token.to_text() == text { Ok(token) } else { Err(NotAToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_in_its_one_spelling_and_its_hash_does_not_show_it() {
        let token = SecretToken::new([0xab; BYTES]);
        let text = token.to_text();
        assert_eq!(text.parse::<SecretToken>().map(|read| read.hash()).ok(), Some(token.hash()));
        for wrong in [&text[2..], &text.to_uppercase(), "", &format!("{text}00"), "é"] {
            assert!(wrong.parse::<SecretToken>().is_err(), "{wrong:?}");
        }
        assert!(!token.hash().windows(4).any(|part| part == [0xab; 4]));
        assert_ne!(token.hash(), SecretToken::new([0xac; BYTES]).hash());
    }
}
