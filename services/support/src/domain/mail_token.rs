//! The secret in the address of a ticket: 16 random bytes, so that the address of another customer's ticket cannot be guessed.

use std::str::FromStr;

use levqor_runtime::{email::Email, inbound::InboundDomain};

/// Bytes of the token.
pub(crate) const BYTES: usize = 16;
/// The part of an address before the token.
const PREFIX: &str = "ticket-";

/// The token. An address is written in lower case, so the text is hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MailToken(String);

/// The text is not a token.
#[derive(Debug, thiserror::Error)]
#[error("not the token of a ticket's address")]
pub(crate) struct NotAToken;

impl MailToken {
    /// A token of these bytes, which must be random.
    pub(crate) fn new(secret: [u8; BYTES]) -> Self {
        Self(hex::encode(secret))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of the ticket.
    pub(crate) fn address(&self, domain: &InboundDomain) -> String {
        format!("{PREFIX}{}@{}", self.0, domain.as_str())
    }

    /// The token in an address of ours.
    pub(crate) fn of_address(address: &Email, domain: &InboundDomain) -> Option<Self> {
        domain.local_part(address)?.strip_prefix(PREFIX)?.parse().ok()
    }
}

impl FromStr for MailToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let mut bytes = [0; BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAToken)?;
        let token = Self::new(bytes);
        if token.0 == text { Ok(token) } else { Err(NotAToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_ticket_gives_its_token_back() {
        let domain: InboundDomain = "in.levqor.ai".parse().expect("a domain");
        let token = MailToken::new([0xab; BYTES]);
        let address = token.address(&domain);
        assert!(address.starts_with("ticket-abab") && address.ends_with("@in.levqor.ai"), "{address}");
        let of = |text: &str| MailToken::of_address(&text.parse().expect(text), &domain);
        assert!(of(&address) == Some(token.clone()) && of(&address.to_uppercase()) == Some(token));
        for other in
            ["ticket-@in.levqor.ai", "ticket-zz@in.levqor.ai", "support@in.levqor.ai", "ticket-ab@levqor.ai"]
        {
            assert!(of(other).is_none(), "{other}");
        }
    }
}
