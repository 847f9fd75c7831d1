//! Mail addresses in one normal form, so that one person has one spelling.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use idna::AsciiDenyList;
use unicode_normalization::UnicodeNormalization;

use crate::request::Field;

/// Vendors and mail hosts refuse longer addresses.
const LONGEST: usize = 512;
/// Characters that no domain may contain.
const NOT_IN_DOMAINS: &str = "@<>()[],;:\\\"/?#%|^`{}";

/// A mail address in normal form. It is trimmed. The ASCII letters of the local part are in lower case, and its other characters
/// are unchanged. The domain is in ASCII form (IDNA). Dots and plus signs stay, because only the mail host knows their meaning.
/// Its `Debug` shows nothing.
///
/// Two addresses are equal if their normal forms are equal. That does not prove who reads the mail: see [`Email::may_claim`].
#[derive(Clone)]
pub struct Email {
    text: String,
    may_claim: bool,
}

impl Email {
    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this address may claim rows that were made without an account. It may not if it was written with look-alike characters: a
    /// mail host may read KELVIN SIGN, full-width letters or unusual spaces as other letters. An identity provider may verify such a
    /// spelling although another person got the mail.
    #[must_use]
    pub fn may_claim(&self) -> bool {
        self.may_claim
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
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

impl Field for Email {
    const EXPECTED: &'static str = "a mail address";
}

impl FromStr for Email {
    type Err = NotAnEmail;

    /// Accepts every address that may work, because payments come with such addresses: one `@` before a domain with a dot or an
    /// address literal; a local part that is quoted, or unquoted without white space; no control characters.
    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let trimmed = text.trim();
        let (local, given) = trimmed.rsplit_once('@').ok_or(NotAnEmail)?;
        let domain = domain(given).ok_or(NotAnEmail)?;
        if !is_local_part(local) || local.len() + 1 + domain.len() > LONGEST {
            return Err(NotAnEmail);
        }
        let may_claim = trimmed == text.trim_ascii()
            && trimmed.nfkc().eq(trimmed.chars())
            && is_same_domain(given, &domain);
        Ok(Self { text: format!("{}@{domain}", local.to_ascii_lowercase()), may_claim })
    }
}

/// Whether a text is a local part: unquoted, or a quoted string (RFC 5321, 4.1.2).
fn is_local_part(local: &str) -> bool {
    if local.is_empty() || local.contains(char::is_control) {
        return false;
    }
    let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"'));
    quoted.map_or_else(
        || !local.contains(|c: char| c.is_whitespace() || "@<>()[],;:\\\"".contains(c)),
        is_quoted_text,
    )
}

/// Whether a text is valid between quotes: a backslash precedes each quote and each backslash in it.
fn is_quoted_text(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = c != '\\' || chars.next().is_some();
        if c == '"' || !escaped {
            return false;
        }
    }
    !text.is_empty()
}

/// The domain in ASCII form, by UTS 46 without the rules that existing hosts do not follow: hyphens are allowed anywhere, and an
/// underscore is a letter. An ASCII domain that IDNA refuses is accepted unchanged.
fn domain(given: &str) -> Option<String> {
    let literal = given.strip_prefix('[').and_then(|given| given.strip_suffix(']'));
    if let Some(literal) = literal {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".:".contains(&byte);
        return (!literal.is_empty() && literal.bytes().all(fits)).then(|| given.to_ascii_lowercase());
    }
    let domain = match idna::domain_to_ascii_cow(given.as_bytes(), AsciiDenyList::URL) {
        Ok(domain) => domain.into_owned(),
        Err(_) if given.bytes().all(|byte| byte.is_ascii_graphic()) => given.to_ascii_lowercase(),
        Err(_) => return None,
    };
    let has_labels = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    (has_labels && !domain.contains(|c| NOT_IN_DOMAINS.contains(c))).then_some(domain)
}

/// Whether the given domain is the domain in one of its two forms, ignoring case. IDNA removes soft hyphens and similar
/// characters, and accepts several characters as a dot.
fn is_same_domain(given: &str, domain: &str) -> bool {
    let given = given.to_lowercase();
    given == domain || given == idna::domain_to_unicode(domain).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_spelling() {
        for spelling in ["Alice@Example.com", " alice@example.com ", "ALICE@EXAMPLE.COM"] {
            assert_eq!(spelling.parse::<Email>().expect(spelling).as_str(), "alice@example.com");
        }
        let unicode: Email = "ada@b\u{fc}cher.example".parse().expect("unicode");
        assert_eq!(unicode.as_str(), "ada@xn--bcher-kva.example");
        assert_eq!(Some(unicode), "ada@XN--bcher-kva.example".parse().ok());
        assert_ne!("a.b@example.com".parse::<Email>().ok(), "ab@example.com".parse::<Email>().ok());
    }

    #[test]
    fn letters_that_only_look_the_same_are_not_the_same() {
        let victim: Email = "victimk@example.com".parse().expect("an address");
        for spelling in [
            "victim\u{212a}@example.com",
            "\u{ff56}ictimk@example.com",
            "\u{24e5}ictimk@example.com",
            "victimk\u{200b}@example.com",
            "v\u{131}ctimk@example.com",
            "v\u{ed}ctimk@example.com",
        ] {
            assert_ne!(spelling.parse::<Email>().ok(), Some(victim.clone()), "{spelling}");
        }
    }

    #[test]
    fn a_spelling_that_only_looks_like_an_address_claims_nothing() {
        let may_claim = |text: &str| text.parse::<Email>().is_ok_and(|email| email.may_claim());
        for plain in [
            "victimk@example.com",
            " VictimK@Example.COM ",
            "jos\u{e9}@b\u{fc}cher.example",
            "ada@xn--bcher-kva.example",
            "ops@ab--cd.example.com",
        ] {
            assert!(may_claim(plain), "{plain}");
        }
        for odd in [
            "victim\u{212a}@example.com",
            "\u{ff56}ictimk@example.com",
            "\u{24e5}ictimk@example.com",
            "jose\u{301}@example.com",
            "\u{a0}victimk@example.com",
            "victimk@example.com\u{3000}",
            "victimk@example.com\u{2028}",
            "victimk\u{2003}@example.com",
            "victimk@\u{ff45}xample.com",
            "victimk@exam\u{ad}ple.com",
            "victimk@exam\u{200b}ple.com",
            "victimk@example\u{3002}com",
            "victimk@example.co\u{24dc}",
        ] {
            assert!(!may_claim(odd), "{odd:?}");
        }
    }

    #[test]
    fn every_address_that_a_checkout_may_have_is_accepted() {
        for (text, expected) in [
            ("ops@ab--cd.example.com", "ops@ab--cd.example.com"),
            ("ops@-ab-.example.com", "ops@-ab-.example.com"),
            ("ops@my_host.example.com", "ops@my_host.example.com"),
            ("ops@xn--a.example.com", "ops@xn--a.example.com"),
            ("o'brien+x{1}=!#$%&*/?^_`|~-@Example.com", "o'brien+x{1}=!#$%&*/?^_`|~-@example.com"),
            ("..a..@example.com", "..a..@example.com"),
            ("\"Ada  L\\\"@x\"@example.com", "\"ada  l\\\"@x\"@example.com"),
            ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
            ("stra\u{df}e@stra\u{df}e.example", "stra\u{df}e@xn--strae-oqa.example"),
        ] {
            let email: Email = text.parse().expect(text);
            assert_eq!(email.as_str(), expected);
            assert_eq!(
                expected.parse::<Email>().ok().as_ref(),
                Some(&email),
                "the normal form is an address"
            );
        }
        for long in ["a".repeat(200) + "@example.com", format!("a@{}.example", "b".repeat(80))] {
            assert!(long.parse::<Email>().is_ok(), "{long}");
        }
    }

    #[test]
    fn a_text_that_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a b@c.d",
            "a@b.c\r\nBcc: x@y.z",
            "a@b..c",
            "<a@b.c>",
            "a@b@c.d",
            "a@b.c.",
            "\"a\"b\"@c.d",
            "\"a\\\"@c.d",
            "a@[]",
            "a@[1 2]",
            "a@b.c>,x",
            "a@b .c",
            "a@b.c/d",
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        assert!(format!("{}@b.cd", "a".repeat(513)).parse::<Email>().is_err());
    }

    #[test]
    fn debug_output_does_not_show_the_address() {
        let email: Email = "alice@example.com".parse().expect("address");
        assert!(!format!("{email:?}").contains("alice"));
    }
}
