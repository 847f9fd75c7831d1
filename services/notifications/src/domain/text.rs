//! Text that a person wrote, made fit for one line of a mail.

use std::{fmt, str::FromStr};

use serde::Serialize;

/// One line of text: not empty, no line breaks, no control characters, nothing that turns the reading direction of
/// what stands around it, every run of white space one space. It is not escaped: that is the template's work.
///
/// It may be personal, so it has no `Debug`. A customer's name is a `PersonName`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Line(String);

impl Line {
    /// The most characters that a line may have. Stripe's longest names have as many.
    pub const MAX_CHARS: usize = 256;

    /// What a request is told about the form.
    pub const EXPECTED: &str = "a line of 1 to 256 characters";

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Nothing is left of the text, or too much.
#[derive(Debug, thiserror::Error)]
#[error("not a line of 1 to {} characters", Line::MAX_CHARS)]
pub struct NotALine;

impl FromStr for Line {
    type Err = NotALine;

    fn from_str(text: &str) -> Result<Self, NotALine> {
        let line = fit(text);
        if (1..=Self::MAX_CHARS).contains(&line.chars().count()) { Ok(Self(line)) } else { Err(NotALine) }
    }
}

/// The text on one line, without what cannot be seen.
pub(super) fn fit(text: &str) -> String {
    let visible: String = text.chars().filter(|&c| c.is_whitespace() || !is_invisible(c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters without a picture of their own that change how others look. Joiners (U+200C, U+200D) stay: names in
/// Persian or Hindi are spelt with them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'                    // soft hyphen
            | '\u{61c}'                 // Arabic letter mark
            | '\u{180e}'                // Mongolian vowel separator
            | '\u{200b}'                // zero width space
            | '\u{200e}' | '\u{200f}'   // left-to-right and right-to-left mark
            | '\u{202a}'..='\u{202e}'   // embeddings and overrides of the direction
            | '\u{2060}'..='\u{206f}'   // word joiner, isolates, deprecated formats
            | '\u{feff}'                // byte order mark
            | '\u{fff9}'..='\u{fffb}'   // annotations
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<String> {
        text.parse::<Line>().ok().map(|line| line.0)
    }

    #[test]
    fn a_line_is_one_line_whatever_was_written() {
        assert_eq!(line("  Ada \r\n\t Lovelace\u{2028}").as_deref(), Some("Ada Lovelace"));
        assert_eq!(line("Ada\0\u{1b}[31m\u{7f}").as_deref(), Some("Ada[31m"));
    }

    #[test]
    fn a_line_cannot_turn_the_text_around_it() {
        assert_eq!(line("Ada\u{202e}evil\u{2066}\u{200f}").as_deref(), Some("Adaevil"));
        assert_eq!(line("\u{feff}\u{200b}Ada").as_deref(), Some("Ada"));
    }

    #[test]
    fn names_of_every_script_stay_as_they_are() {
        for name in ["José Núñez", "李小龍", "نیلوفر می\u{200c}خواهد", "Ада", "O'Brien & Søn <3"]
        {
            assert_eq!(line(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_line_is_neither_empty_nor_endless() {
        assert_eq!(line(" \u{202e}\n"), None);
        assert!(line(&"é".repeat(Line::MAX_CHARS)).is_some());
        assert!(line(&"é".repeat(Line::MAX_CHARS + 1)).is_none());
    }
}
