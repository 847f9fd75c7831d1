//! Mail addresses in one normal form, so that one person has one spelling.

use std::{fmt, str::FromStr};

use unicode_normalization::UnicodeNormalization;

/// A mail address in normal form: NFC, trimmed, lower case, the domain in its ASCII (IDNA) form. Dots and plus signs
/// are kept: they are the mail host's business. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

impl Email {
    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email(…)")
    }
}

/// The text is not a mail address.
#[derive(Debug, thiserror::Error)]
#[error("not a mail address")]
pub struct NotAnEmail;

impl FromStr for Email {
    type Err = NotAnEmail;

    /// Accepts what mail hosts accept in practice: one `@`, a local part without white space or control characters of
    /// at most 64 bytes, a domain with a dot, and at most 254 bytes in all (RFC 5321, 4.5.3.1).
    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let text: String = text.trim().nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let local = local.to_lowercase();
        let unfit = |c: char| c.is_whitespace() || c.is_control() || "@<>()[],;:\\\"".contains(c);
        if local.is_empty() || local.len() > 64 || local.contains(unfit) {
            return Err(NotAnEmail);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| NotAnEmail)?;
        if !domain.contains('.') || domain.ends_with('.') || local.len() + 1 + domain.len() > 254 {
            return Err(NotAnEmail);
        }
        Ok(Self(format!("{local}@{domain}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_spelling() {
        for spelling in ["Alice@Example.com", " alice@example.com ", "ALICE@EXAMPLE.COM"] {
            assert_eq!(spelling.parse::<Email>().expect(spelling).as_str(), "alice@example.com");
        }
        let composed: Email = "jos\u{e9}@b\u{fc}cher.example".parse().expect("composed");
        let decomposed: Email = "jose\u{301}@bu\u{308}cher.example".parse().expect("decomposed");
        assert_eq!(composed, decomposed);
        assert_eq!(composed.as_str(), "jos\u{e9}@xn--bcher-kva.example");
        assert_ne!("a.b@example.com".parse::<Email>().ok(), "ab@example.com".parse::<Email>().ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "a", "@b.c", "a@", "a@b", "a b@c.d", "a@b.c\r\nBcc: x@y.z", "a@b..c", "<a@b.c>", "a@b@c.d"]
        {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        assert!(format!("{}@b.cd", "a".repeat(65)).parse::<Email>().is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        let email: Email = "alice@example.com".parse().expect("address");
        assert!(!format!("{email:?}").contains("alice"));
    }
}
