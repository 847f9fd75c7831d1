//! Links to an order or a subscription for a customer without an account: the parts of a link's token.

use std::str::FromStr;

use chrono::TimeDelta;
use levqor_runtime::typed_id;
use ring::hmac;

typed_id!(pub(crate) LinkId, "a link");

/// How long a link is valid. A link to a subscription on trial is valid as long after the end of the trial.
pub(crate) const VALID: TimeDelta = TimeDelta::days(30);
/// Bytes of the secret: it cannot be guessed.
pub(crate) const SECRET_BYTES: usize = 32;

/// The token of a link: its id, and a secret that only the mail has.
pub(crate) struct LinkToken {
    id: LinkId,
    secret: [u8; SECRET_BYTES],
}

/// The text is not the token of a link.
#[derive(Debug)]
pub(crate) struct NotALinkToken;

impl LinkToken {
    /// A token with this secret, which must be random.
    pub(crate) const fn new(id: LinkId, secret: [u8; SECRET_BYTES]) -> Self {
        Self { id, secret }
    }

    /// The link's id.
    pub(crate) const fn id(&self) -> LinkId {
        self.id
    }

    /// The hash of the secret, which the database stores.
    pub(crate) fn tag(&self) -> hmac::Tag {
        hmac::sign(&self.key(), self.id.as_uuid().as_bytes())
    }

    /// Whether the secret is that of this tag. It takes the same time whatever the difference is.
    pub(crate) fn is_of(&self, tag: &[u8]) -> bool {
        hmac::verify(&self.key(), self.id.as_uuid().as_bytes(), tag).is_ok()
    }

    /// The text in the mail's link.
    pub(crate) fn to_text(&self) -> String {
        format!("{}{}", self.id.as_uuid().simple(), hex::encode(self.secret))
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.secret)
    }
}

impl FromStr for LinkToken {
    type Err = NotALinkToken;

    fn from_str(text: &str) -> Result<Self, NotALinkToken> {
        let (id, secret) = text.split_at_checked(32).ok_or(NotALinkToken)?;
        let id = id.parse::<uuid::Uuid>().map_err(|_| NotALinkToken)?;
        let mut bytes = [0; SECRET_BYTES];
        hex::decode_to_slice(secret, &mut bytes).map_err(|_| NotALinkToken)?;
        let token = Self { id: id.into(), secret: bytes };
        // There is one spelling of a token.
        if token.to_text() == text { Ok(token) } else { Err(NotALinkToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: u8) -> LinkToken {
        let id = "0190b2c4-0000-7000-8000-000000000000".parse().expect("an id");
        LinkToken::new(id, [secret; SECRET_BYTES])
    }

    #[test]
    fn a_token_is_read_in_its_one_spelling() {
        let text = token(7).to_text();
        assert!(text.parse::<LinkToken>().is_ok_and(|read| read.is_of(token(7).tag().as_ref())));
        for wrong in
            [&text[1..], &text[..text.len() - 2], &text.to_uppercase(), "", &format!("{text}00"), "é"]
        {
            assert!(wrong.parse::<LinkToken>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_right_secret_has_the_tag() {
        let tag = token(7).tag();
        assert!(token(7).is_of(tag.as_ref()));
        assert!(!token(8).is_of(tag.as_ref()) && !token(7).is_of(&[]));
        assert!(!tag.as_ref().windows(8).any(|part| part == [7; 8]), "the tag does not show the secret");
    }
}
