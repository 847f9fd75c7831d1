//! References: names that other services choose, safe in keys, links and logs.

use std::str::FromStr;

use levqor_runtime::request::Field;

/// The text is not a valid reference.
#[derive(Debug, thiserror::Error)]
#[error("not a reference")]
pub struct NotAReference;

/// The reference of a message, such as `order:0190…` or `invoice:in_1:step:2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About(String);

impl About {
    /// The expected form, for the violation.
    pub const EXPECTED: &str = "1 to 200 letters, digits and characters of `:._-`";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for About {
    const EXPECTED: &'static str = Self::EXPECTED;
}

impl FromStr for About {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        // References are logged and kept for good. `@` is not allowed, so that no mail address can be a reference.
        reference(text, 200, ":._-").map(Self)
    }
}

/// The name of a template, current or old: stored messages keep the names of removed templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateName(String);

impl Field for TemplateName {
    const EXPECTED: &'static str = "a template's name, such as `order_welcome`";
}

impl TemplateName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TemplateName {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        reference(text, 100, "_").map(Self)
    }
}

/// An id of another service, or a code that a person types in. It needs no escaping in the query of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(String);

impl Id {
    /// The expected form, for the violation.
    pub const EXPECTED: &str = "an id: 1 to 100 letters, digits and characters of `_-`";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        reference(text, 100, "_-").map(Self)
    }
}

fn reference(text: &str, longest: usize, punctuation: &str) -> Result<String, NotAReference> {
    let fits = (1..=longest).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c));
    if fits { Ok(text.to_owned()) } else { Err(NotAReference) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_short_and_plain() {
        for text in ["order:0190b2c4-1111-7000-8000-000000000000", "invoice:in_1.2:step:2", "a"] {
            assert!(text.parse::<About>().is_ok(), "{text}");
        }
        for text in ["", "order 1", "alice@example.com", "order/1", "a\n", "é", &"a".repeat(201)] {
            assert!(text.parse::<About>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_fits_into_a_link() {
        assert!("0190b2c4-1111-7000-8000-000000000000".parse::<Id>().is_ok());
        for text in ["", "a&b", "a=b", "a#b", "a%20b", "order:1", &"a".repeat(101)] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
