//! Texts of requests: trimmed, with a maximum length.

use std::str::FromStr;

use levqor_runtime::request::Field;

/// The text is empty or too long.
#[derive(Debug)]
pub(crate) struct NotFit;

/// Reads a text with at least and at most this many characters.
fn fit(text: &str, range: std::ops::RangeInclusive<usize>) -> Result<String, NotFit> {
    // Counting stops early: a text of a megabyte is not counted whole.
    let trimmed = text.trim();
    let count = trimmed.chars().take(range.end() + 1).count();
    if range.contains(&count) { Ok(trimmed.to_owned()) } else { Err(NotFit) }
}

/// Declares a type of text with its length.
macro_rules! text {
    ($(#[$meta:meta])* $name:ident, $range:expr, $expected:literal) => {
        $(#[$meta])*
        pub(crate) struct $name(String);

        impl $name {
            /// The text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotFit;

            fn from_str(text: &str) -> Result<Self, NotFit> {
                fit(text, $range).map(Self)
            }
        }

        impl Field for $name {
            const EXPECTED: &'static str = $expected;
        }
    };
}

text!(
    /// A message to the assistant.
    ChatText, 1..=4_000, "a text of 1 to 4,000 characters"
);
text!(
    /// A message or a note of a ticket. A mail can hold it (`KIND_TEXT`).
    TicketText, 1..=5_000, "a text of 1 to 5,000 characters"
);
text!(
    /// A text of a form. It may be empty.
    FormText, 0..=5_000, "a text of at most 5,000 characters"
);
text!(
    /// A customer's comment in a survey. It may be empty.
    SurveyText, 0..=2_000, "a text of at most 2,000 characters"
);
text!(
    /// The words of a search.
    SearchText, 1..=200, "words of 1 to 200 characters"
);

/// The most characters of a subject.
pub(crate) const LONGEST_SUBJECT: usize = 200;
/// The most characters of a name.
const LONGEST_NAME: usize = 200;
/// The longest `sub` (`OpenID` Connect Core, 2).
const LONGEST_SUB: usize = 255;

/// The subject of a ticket, in one line.
pub(crate) struct Subject(String);

impl Subject {
    /// The line.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The beginning of a text as a line.
    pub(crate) fn of_text(text: &str) -> Self {
        let words: Vec<_> = text.split_whitespace().collect();
        let line = words.join(" ").replace(char::is_control, "");
        let mut short: String = line.chars().take(80).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        if short.is_empty() { Self("A conversation".to_owned()) } else { Self(short) }
    }
}

impl FromStr for Subject {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let line = fit(text, 1..=LONGEST_SUBJECT)?;
        if line.contains(char::is_control) { Err(NotFit) } else { Ok(Self(line)) }
    }
}

impl Field for Subject {
    const EXPECTED: &'static str = "a line of 1 to 200 characters";
}

/// A person's name, as the person wrote it. It may be empty.
#[derive(Default)]
pub(crate) struct Name(String);

impl Name {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        fit(text, 0..=LONGEST_NAME).map(Self)
    }
}

impl Field for Name {
    const EXPECTED: &'static str = "a name of at most 200 characters";
}

/// The name of a page with a form. It may be empty.
pub(crate) struct SourceName(String);

impl SourceName {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":._-/".contains(&byte));
        if is_plain { fit(text, 0..=100).map(Self) } else { Err(NotFit) }
    }
}

impl Field for SourceName {
    const EXPECTED: &'static str = "at most 100 letters, digits and characters of `:._-/`";
}

/// A member of staff, by the id at the identity provider.
pub(crate) struct Assignee(String);

impl Assignee {
    /// The id.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Assignee {
    type Err = NotFit;

    fn from_str(text: &str) -> Result<Self, NotFit> {
        fit(text, 1..=LONGEST_SUB).map(Self)
    }
}

impl Field for Assignee {
    const EXPECTED: &'static str = "the id of a person at the identity provider";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_trimmed_and_has_a_length() {
        assert_eq!(" a\nb ".parse::<ChatText>().map(|text| text.0).ok(), Some("a\nb".to_owned()));
        assert!(" \n".parse::<ChatText>().is_err());
        assert!("é".repeat(4_000).parse::<ChatText>().is_ok());
        assert!("é".repeat(4_001).parse::<ChatText>().is_err());
        assert!("a\nb".parse::<Subject>().is_err());
        assert!("".parse::<Name>().is_ok() && "n".repeat(201).parse::<Name>().is_err());
    }

    #[test]
    fn the_subject_of_a_text_is_its_beginning() {
        assert_eq!(Subject::of_text(" My order\n is late\u{7}").as_str(), "My order is late");
        assert_eq!(Subject::of_text(" \n").as_str(), "A conversation");
        let long = Subject::of_text(&"word ".repeat(50));
        assert_eq!(long.as_str().chars().count(), 81);
    }
}
