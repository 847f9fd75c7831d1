//! The domain for mail to us. Every service that makes or accepts addresses of this domain reads the same setting.

use std::str::FromStr;

use crate::{
    config::{Reader, Setting},
    email::Email,
};

const DOMAIN: Setting = Setting::plain(
    "LEVQOR_INBOUND_DOMAIN",
    None,
    "The domain whose mail the mail provider receives for us, such as `in.levqor.ai`: people reply by mail to addresses there. Without it no mail is taken.",
);

/// The domain, in ASCII form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundDomain(String);

/// The text is not a domain.
#[derive(Debug, thiserror::Error)]
#[error("not a domain")]
pub struct NotADomain;

impl FromStr for InboundDomain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        let address: Email = format!("x@{text}").parse().map_err(|_| NotADomain)?;
        let domain = address.as_str().strip_prefix("x@").filter(|domain| domain.contains('.'));
        domain.map(|domain| Self(domain.to_owned())).ok_or(NotADomain)
    }
}

impl InboundDomain {
    /// The setting that names it.
    #[must_use]
    pub fn setting() -> Setting {
        DOMAIN
    }

    /// Reads the setting. `None` if it is not set, or after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.optional(&DOMAIN, "a domain, such as `in.levqor.ai`")
    }

    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part of an address before this domain. `None` if the address has another domain.
    #[must_use]
    pub fn local_part<'a>(&self, address: &'a Email) -> Option<&'a str> {
        address.as_str().strip_suffix(&self.0)?.strip_suffix('@')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_domain_have_a_local_part() {
        let domain: InboundDomain = "In.Levqor.ai".parse().expect("a domain");
        assert_eq!(domain.as_str(), "in.levqor.ai");
        let local = |text: &str| {
            let address: Email = text.parse().expect(text);
            domain.local_part(&address).map(str::to_owned)
        };
        assert_eq!(local("ticket-1@in.levqor.ai").as_deref(), Some("ticket-1"));
        for other in ["a@levqor.ai", "a@xin.levqor.ai", "a@in.levqor.ai.example.com"] {
            assert_eq!(local(other), None, "{other}");
        }
        for wrong in ["", "levqor", "a@b.c", "in levqor.ai", "https://in.levqor.ai"] {
            assert!(wrong.parse::<InboundDomain>().is_err(), "{wrong}");
        }
    }
}
