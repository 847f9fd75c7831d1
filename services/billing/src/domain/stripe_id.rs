//! Ids that Stripe gives to events, sessions and customers. Never our own ids.

use std::{fmt, str::FromStr};

use levqor_runtime::request::Field;

/// Stripe promises no more than 255 characters.
const LONGEST: usize = 255;

/// An id that Stripe gave to any object. It is a short text without control characters. Nothing else is assumed, because Stripe
/// may change the form of its ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StripeId(String);

impl StripeId {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id may become part of a path without escaping.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }
}

/// The text is not an id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAStripeId;

impl FromStr for StripeId {
    type Err = NotAStripeId;

    fn from_str(text: &str) -> Result<Self, NotAStripeId> {
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAStripeId) }
    }
}

impl Field for StripeId {
    const EXPECTED: &'static str = "an id that Stripe gave";
}

impl fmt::Display for StripeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_the_database_would_refuse_is_no_id() {
        for id in ["cs_test_a1B2", "evt_1", "evt-new.style:2"] {
            assert_eq!(id.parse::<StripeId>().map(|id| id.to_string()), Ok(id.to_owned()));
        }
        for text in ["", "a\u{0}b", "a\nb", &"x".repeat(256)] {
            assert_eq!(text.parse::<StripeId>(), Err(NotAStripeId), "{text:?}");
        }
    }

    #[test]
    fn only_a_plain_id_may_be_part_of_a_path() {
        let is_plain = |text: &str| text.parse::<StripeId>().expect("an id").is_plain();
        assert!(is_plain("cs_test_a1B2"));
        for text in ["cs/../customers", "cs?x", "cs%2e", "cs 1", "cs_ä"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
