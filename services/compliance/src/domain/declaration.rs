//! The declarations of a person: a consent or its withdrawal, the acceptance of a document, an objection or its end. The ledger keeps it
//! with its proof.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    address::AddressHash, context::Client, email::Email, error::Violations, request::Field, typed_id,
    wire_enum,
};
use ring::digest;

typed_id!(pub(crate) DeclarationId, "a declaration");

wire_enum! {
    /// The kind of a declaration.
    pub(crate) enum DeclarationKind {
        /// A consent, or its withdrawal.
        Consent = "CONSENT",
        /// The acceptance of a legal document.
        Acceptance = "ACCEPTANCE",
        /// An objection, or its end.
        Objection = "OBJECTION",
    }
}

/// Who declares something, as far as it is known.
#[derive(Clone, Default)]
pub(crate) struct Person {
    pub(crate) sub: Option<String>,
    pub(crate) email: Option<Email>,
    pub(crate) visitor_id: Option<String>,
    pub(crate) address_hash: Option<AddressHash>,
}

/// The most characters of the text that was shown.
const MOST_SHOWN: usize = 10_000;

/// The shown text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) version: String,
    pub(crate) sha256: String,
}

impl Shown {
    /// A text under this version. Without a text there is no hash.
    pub(crate) fn of(version: &str, text: &str) -> Self {
        let sha256 = if text.is_empty() { String::new() } else { sha256(text) };
        Self { version: version.to_owned(), sha256 }
    }

    /// Reads the fields `shown_version` and `shown_text`, which may be empty.
    pub(crate) fn read(violations: &mut Violations, version: &str, text: &str) -> Self {
        let version: Option<Label> = violations.filter("shown_version", version);
        if text.chars().count() > MOST_SHOWN {
            violations.add("shown_text", "expected at most 10,000 characters");
        }
        Self::of(version.as_ref().map_or("", Label::as_str), text)
    }
}

/// The SHA-256 hash of a text, in hex.
pub(crate) fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// A declaration.
pub(crate) struct Declaration {
    pub(crate) id: DeclarationId,
    pub(crate) kind: DeclarationKind,
    pub(crate) scope: String,
    pub(crate) given: bool,
    pub(crate) person: Person,
    pub(crate) shown: Shown,
    pub(crate) source: String,
    pub(crate) by_signal: bool,
    pub(crate) client: Client,
    /// The id of the change in the service that reported it.
    pub(crate) origin: Option<String>,
    pub(crate) declare_time: DateTime<Utc>,
}

/// The name of a version or of a source: 1 to 100 letters, digits and characters of `:._-`.
pub(crate) struct Label(String);

impl Label {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not the name of a version.
#[derive(Debug, thiserror::Error)]
#[error("not the name of a version")]
pub(crate) struct NotALabel;

impl std::str::FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        let fits = |c: char| c.is_ascii_alphanumeric() || ":._-".contains(c);
        if (1..=100).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotALabel)
        }
    }
}

impl Field for Label {
    const EXPECTED: &'static str = "1 to 100 letters, digits and characters of `:._-`";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_hash_and_no_text_has_none() {
        let shown = Shown::of("1", "abc");
        assert_eq!(shown.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Shown::of("1", "").sha256, "");
    }

    #[test]
    fn a_label_has_no_spaces_and_no_address() {
        assert!("2026-12".parse::<Label>().is_ok());
        for text in ["", "a b", "ada@example.com", &"v".repeat(101)] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
