//! The screen for high-risk data: terms that are found as whole words.

use std::collections::HashMap;

use levqor_proto_law::v1::{self as wire, RiskSeverity};
use levqor_runtime::wire_enum;

wire_enum! {
    /// How grave a term is.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Severity: RiskSeverity {
        /// It may be harmless.
        Low = "LOW",
        /// It is about a sensitive matter.
        Medium = "MEDIUM",
        /// It requests work on data of a special kind.
        High = "HIGH",
    }
}

/// A term of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) category: String,
    pub(crate) severity: Severity,
    pub(crate) blocks: bool,
    words: Vec<String>,
}

/// A line of the list cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {0} of the terms is not `CATEGORY | SEVERITY | ACTION | term`")]
pub(crate) struct BadLine(usize);

/// The terms, by their first words.
pub(crate) struct Screen(HashMap<String, Vec<Term>>);

impl Screen {
    /// Reads the list that is part of the binary.
    pub(crate) fn try_new() -> Result<Self, BadLine> {
        let mut terms: HashMap<String, Vec<Term>> = HashMap::new();
        for term in read(include_str!("../../data/high-risk-terms.txt"))? {
            let first = term.words.first().cloned().unwrap_or_default();
            terms.entry(first).or_default().push(term);
        }
        Ok(Self(terms))
    }

    /// How many terms there are.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The terms in a text, each once, in the order in which they come.
    pub(crate) fn find(&self, text: &str) -> Vec<&Term> {
        let words = words(text);
        let mut found: Vec<&Term> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let of_word = self.0.get(word).into_iter().flatten();
            let here =
                of_word.filter(|term| words.get(at..).is_some_and(|rest| rest.starts_with(&term.words)));
            for term in here {
                if !found.contains(&term) {
                    found.push(term);
                }
            }
        }
        found
    }
}

/// The words of a text in lower case. A word continues over an apostrophe.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let is_border = |c: char| !c.is_alphanumeric() && c != '\'';
    let words = text.split(is_border).map(|word| word.trim_matches('\''));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn read(list: &str) -> Result<Vec<Term>, BadLine> {
    let lines = list.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let term = |(at, line): (usize, &str)| {
        let bad = || BadLine(at + 1);
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        let [category, severity, action, term] = parts[..] else { return Err(bad()) };
        let words = words(term);
        let blocks = match action {
            "BLOCK" => true,
            "WARN" => false,
            _ => return Err(bad()),
        };
        if words.is_empty() || category.is_empty() {
            return Err(bad());
        }
        let severity = severity.parse().map_err(|_| bad())?;
        Ok(Term { category: category.to_owned(), severity, blocks, words })
    };
    lines.map(term).collect()
}

impl From<&Term> for wire::RiskFinding {
    fn from(term: &Term) -> Self {
        Self {
            category: term.category.clone(),
            term: term.words.join(" "),
            severity: term.severity.into(),
            blocks: term.blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as customers write them, with words that look like terms.
    const INNOCENT: &str = include_str!("screen/innocent.txt");

    #[test]
    fn innocent_texts_are_not_blocked() {
        let screen = Screen::try_new().expect("the list");
        let mut seen = 0;
        for text in INNOCENT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            seen += 1;
            let blocking: Vec<_> = screen.find(text).into_iter().filter(|term| term.blocks).collect();
            assert!(blocking.is_empty(), "{text}: {blocking:?}");
        }
        assert!(seen >= 30, "only {seen} texts were found");
        for word in ["issue", "tissue", "court", "patient"] {
            let has_word = |text: &str| !text.starts_with('#') && words(text).iter().any(|it| it == word);
            assert!(INNOCENT.lines().any(has_word), "no text has the word {word}");
        }
        for word in ["issue", "tissue", "pursue", "courtesy", "courtyard", "patiently", "impatient", "suede"]
        {
            assert!(screen.find(&format!("There is a {word} here.")).is_empty(), "{word}");
        }
    }

    #[test]
    fn every_term_of_the_list_is_found_as_whole_words_and_not_within_others() {
        let screen = Screen::try_new().expect("the list");
        let all = read(include_str!("../../data/high-risk-terms.txt")).expect("the list");
        assert!(all.len() == screen.len() && all.len() >= 54, "{} terms", all.len());
        for term in &all {
            let words = term.words.join(" ");
            for text in [
                words.clone(),
                format!("Please process {}, and more.", words.to_uppercase()),
                format!("({})", words.replace(' ', "-")),
                format!("first\n{}\nlast", words.replace(' ', "  ")),
            ] {
                assert!(screen.find(&text).contains(&term), "{text}");
            }
            for text in [format!("x{words}"), format!("{words}x")] {
                assert!(!screen.find(&text).contains(&term), "{text}");
            }
        }
    }

    #[test]
    fn a_line_that_is_not_a_term_is_named() {
        for wrong in [
            "MEDICAL | HIGH | BLOCK",
            "MEDICAL | HUGE | BLOCK | a",
            "MEDICAL | HIGH | BURN | a",
            " | LOW | WARN | a",
            "A | LOW | WARN | ",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
