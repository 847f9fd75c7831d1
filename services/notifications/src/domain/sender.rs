//! The sender of mail.

use std::{fmt, str::FromStr};

use levqor_runtime::email::Email;

use super::text::Line;

/// A sender: `Levqor <orders@levqor.ai>`, or the address alone.
#[derive(Clone)]
pub struct Sender {
    /// The name that readers see.
    pub name: Option<Line>,
    /// The address of the sender, which gets the replies.
    pub address: Email,
}

/// The text is not a sender.
#[derive(Debug, thiserror::Error)]
#[error("not a sender")]
pub struct NotASender;

impl FromStr for Sender {
    type Err = NotASender;

    fn from_str(text: &str) -> Result<Self, NotASender> {
        let email = |text: &str| text.parse().map_err(|_| NotASender);
        let Some((name, rest)) = text.split_once('<') else {
            return Ok(Self { name: None, address: email(text)? });
        };
        let address = rest.trim_end().strip_suffix('>').ok_or(NotASender)?;
        let name = name.trim();
        // Characters that have a meaning in an address list would need quoting at each provider. A sender's name needs none of
        // them.
        if name.contains(|c: char| c.is_control() || "\"<>()[]@,;:\\".contains(c)) {
            return Err(NotASender);
        }
        let name = if name.is_empty() { None } else { Some(name.parse().map_err(|_| NotASender)?) };
        Ok(Self { name, address: email(address)? })
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name} <{}>", self.address.as_str()),
            None => formatter.write_str(self.address.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_a_name_with_an_address_or_an_address() {
        for (text, shown) in [
            ("Levqor <orders@levqor.ai>", "Levqor <orders@levqor.ai>"),
            ("  Levqor Orders < Orders@Levqor.ai > ", "Levqor Orders <orders@levqor.ai>"),
            ("orders@levqor.ai", "orders@levqor.ai"),
            ("<orders@levqor.ai>", "orders@levqor.ai"),
        ] {
            assert_eq!(text.parse::<Sender>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn a_sender_cannot_carry_a_second_header() {
        for text in [
            "",
            "Levqor",
            "Levqor <orders>",
            "Levqor <orders@levqor.ai",
            "Levqor <a@b.cd>, Other <c@d.ef>",
            "Levqor\r\nBcc: x <orders@levqor.ai>",
            "\"Levqor\" <orders@levqor.ai>",
        ] {
            assert!(text.parse::<Sender>().is_err(), "{text:?}");
        }
    }
}
