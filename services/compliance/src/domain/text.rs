//! Texts of requests: trimmed, with a maximum length.

use std::str::FromStr;

use levqor_runtime::request::Field;

/// The text is empty or too long.
#[derive(Debug, thiserror::Error)]
#[error("the text does not fit")]
pub(crate) struct NotFit;

/// Reads a text of at most this many characters.
fn fit(text: &str, most: usize) -> Result<String, NotFit> {
    // Counting stops early: a text of a megabyte is not counted whole.
    let text = text.trim();
    let count = text.chars().take(most + 1).count();
    if (1..=most).contains(&count) { Ok(text.to_owned()) } else { Err(NotFit) }
}

/// A text of some paragraphs. A mail can hold it (`KIND_TEXT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LongText(String);

impl LongText {
    /// The text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for LongText {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        fit(text, 5_000).map(Self)
    }
}

impl Field for LongText {
    const EXPECTED: &'static str = "a text of 1 to 5,000 characters";
}

/// A text without a line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    /// The line.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Line {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let line = fit(text, 200)?;
        if line.contains(char::is_control) { Err(NotFit) } else { Ok(Self(line)) }
    }
}

impl Field for Line {
    const EXPECTED: &'static str = "a line of 1 to 200 characters";
}

/// A person's name, as the person wrote it. It may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The name.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Name {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let name = text.trim();
        if name.is_empty() { Ok(Self(String::new())) } else { fit(name, 200).map(Self) }
    }
}

impl Field for Name {
    const EXPECTED: &'static str = "a name of at most 200 characters";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_counted_in_characters() {
        assert_eq!("  ä \n b ".parse::<LongText>().expect("a text").into_string(), "ä \n b");
        assert!("ä".repeat(5_000).parse::<LongText>().is_ok());
        for text in ["", " \n ", &"ä".repeat(5_001)] {
            assert!(text.parse::<LongText>().is_err());
        }
        assert!("ä".repeat(200).parse::<Line>().is_ok());
        for text in ["", "a\nb", &"ä".repeat(201)] {
            assert!(text.parse::<Line>().is_err());
        }
        assert_eq!(" ".parse::<Name>().expect("no name").into_string(), "");
        assert!("ä".repeat(201).parse::<Name>().is_err());
    }
}
