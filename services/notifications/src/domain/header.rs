//! Header lines that a mail has beside the usual ones, such as `List-Unsubscribe`. They are stored with the message, so that every
//! attempt sends the same mail.

use std::{fmt, str::FromStr};

/// The most characters of a value. RFC 5322 allows 998 characters a line.
const LONGEST: usize = 900;

/// Header lines. They may hold a token of the recipient, so they have no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// The text is not a header line.
#[derive(Debug, thiserror::Error)]
#[error("not a header line")]
pub struct NotAHeader;

impl Headers {
    /// Adds a line. The name is a token of letters, digits and `-`; the value is one line of visible ASCII.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, NotAHeader> {
        let is_name = (1..=70).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_value = (1..=LONGEST).contains(&value.len())
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            && value.trim() == value;
        if !is_name || !is_value {
            return Err(NotAHeader);
        }
        self.0.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// The lines, each as its name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The stored form: one line each.
impl fmt::Display for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(formatter, "{name}: {value}"))
    }
}

impl FromStr for Headers {
    type Err = NotAHeader;

    fn from_str(text: &str) -> Result<Self, NotAHeader> {
        text.lines().try_fold(Self::default(), |headers, line| {
            let (name, value) = line.split_once(": ").ok_or(NotAHeader)?;
            headers.with(name, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_stored_as_they_are_sent() {
        let headers = Headers::default()
            .with("List-Unsubscribe", "<https://api.levqor.ai/u?t=1>, <mailto:u@levqor.ai>")
            .and_then(|headers| headers.with("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
            .unwrap_or_else(|_| panic!("two headers"));
        let again: Headers = headers.to_string().parse().unwrap_or_else(|_| panic!("{headers}"));
        assert!(again == headers && again.iter().count() == 2 && !again.is_empty());
    }

    #[test]
    fn no_value_begins_a_second_header() {
        for (name, value) in [
            ("List-Unsubscribe", "a\r\nBcc: x@y.z"),
            ("List-Unsubscribe", "a\nb"),
            ("List-Unsubscribe", ""),
            ("List-Unsubscribe", " a"),
            ("List: x", "a"),
            ("", "a"),
            ("List-Id", "Grüße"),
        ] {
            assert!(Headers::default().with(name, value).is_err(), "{name} {value:?}");
        }
    }
}
