//! Checks the text of a language model: each statement names a passage and quotes it, the quoted words are in that passage, and the
//! answer has no figure, link or promise that the passages do not have. If one statement fails, the whole answer is dropped.

mod unfinished;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use unfinished::Unfinished;

/// The most statements of an answer, and the most characters of all of them.
const MOST_STATEMENTS: usize = 8;
const MOST_CHARS: usize = 3_000;
/// A quote has at least this many words, because every article has most single words.
const LEAST_QUOTED: usize = 3;
/// Words of at least this length are compared with the passage, by this many letters at their beginning.
const LONG_WORD: usize = 5;
/// Beginnings of words that promise something. The passage must have them too.
const PROMISES: &[&str] = &[
    "guarant", "promis", "refund", "free", "discount", "credit", "compens", "waive", "cancel", "delet",
    "unlimit", "immediat",
];
/// Numbers in words.
const NUMBERS: &[&str] = &[
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "ninety",
    "hundred",
    "thousand",
    "million",
];

/// The answer of a model.
#[derive(Debug, Deserialize)]
pub(crate) struct Written {
    answered: bool,
    statements: Vec<Statement>,
}

/// A sentence or several, with the words of a passage that support it.
#[derive(Debug, Deserialize)]
struct Statement {
    text: String,
    /// From 1.
    passage: usize,
    quote: String,
}

impl Statement {
    /// Whether the passages say so.
    fn holds(&self, passages: &[String], plain: impl Fn(&str) -> String) -> bool {
        let cited = self.passage.checked_sub(1).and_then(|at| passages.get(at));
        cited.is_some_and(|cited| {
            let (said, all) = (plain(&self.text), plain(&passages.join("\n")));
            is_quoted(&self.quote, cited) && is_about(&said, cited) && invents_nothing(&said, &all)
        })
    }
}

/// An answer that holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grounded {
    pub(crate) text: String,
    /// The passages that it cites, from 0, each once, in the order of the answer.
    pub(crate) cited: Vec<usize>,
}

/// Why there is no answer that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGrounded {
    /// It does not follow the schema.
    Malformed,
    /// It says that the passages have no answer.
    NoAnswer,
    /// It says nothing.
    Empty,
    /// A statement does not hold.
    Unsupported,
}

/// The form of an answer, as JSON Schema (of the subset that "strict" structured output allows).
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "answered": {"type": "boolean", "description": "false if the passages do not answer the question"},
            "statements": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "description": "one or two sentences of the answer"},
                        "passage": {"type": "integer", "description": "the number of the passage that says so"},
                        "quote": {"type": "string", "description": "the words of that passage that say so, copied exactly"}
                    },
                    "required": ["text", "passage", "quote"],
                    "additionalProperties": false
                }
            }
        },
        "required": ["answered", "statements"],
        "additionalProperties": false
    })
}

/// Reads and checks a model's text. `plain` takes out the replacements of hidden data, which are not figures.
pub(crate) fn check(
    written: &str,
    passages: &[String],
    plain: impl Fn(&str) -> String,
) -> Result<Grounded, NotGrounded> {
    let written: Written = serde_json::from_str(written.trim()).map_err(|_| NotGrounded::Malformed)?;
    if !written.answered {
        return Err(NotGrounded::NoAnswer);
    }
    let texts: Vec<_> = written.statements.iter().map(|statement| statement.text.trim()).collect();
    let text = texts.join("\n\n");
    if text.trim().is_empty() {
        return Err(NotGrounded::Empty);
    }
    let fits = texts.len() <= MOST_STATEMENTS && text.chars().count() <= MOST_CHARS;
    if !fits || !written.statements.iter().all(|statement| statement.holds(passages, &plain)) {
        return Err(NotGrounded::Unsupported);
    }
    let mut cited = Vec::new();
    for statement in &written.statements {
        let at = statement.passage - 1;
        if !cited.contains(&at) {
            cited.push(at);
        }
    }
    Ok(Grounded { text, cited })
}

/// The words in small letters, without signs around them.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace(['’', '‘'], "'");
    let split = lower.split(|c: char| c.is_whitespace() || "—–…“”\"*_()".contains(c));
    let trimmed = split.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && !"£$€%".contains(c)));
    trimmed.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether the passage has the quoted words, one after the other.
fn is_quoted(quote: &str, passage: &str) -> bool {
    let (quote, passage) = (words(quote), words(passage));
    let least = LEAST_QUOTED.min(passage.len()).max(1);
    quote.len() >= least && passage.windows(quote.len()).any(|part| part == quote)
}

/// Whether the passage has at least half of the long words of a statement, and each promise.
fn is_about(said: &str, passage: &str) -> bool {
    let begin = |word: &str| word.chars().take(LONG_WORD).collect::<String>();
    let known: BTreeSet<_> = words(passage).iter().map(|word| begin(word)).collect();
    let said = words(said);
    let long: Vec<_> = said.iter().filter(|word| word.chars().count() >= LONG_WORD).collect();
    let found = long.iter().filter(|word| known.contains(&begin(word))).count();
    let lower = passage.to_lowercase();
    let promised =
        |promise: &&str| said.iter().any(|word| word.starts_with(*promise)) && !lower.contains(*promise);
    found * 2 >= long.len() && !PROMISES.iter().any(promised)
}

/// Whether the passages have each figure and each link of a statement.
fn invents_nothing(said: &str, passages: &str) -> bool {
    let known: BTreeSet<_> = words(passages).into_iter().collect();
    let figures: BTreeSet<_> = known.iter().flat_map(|word| figures(word)).collect();
    let is_link =
        |word: &str| word.contains('@') || word.contains("://") || word.contains("www.") || is_domain(word);
    words(said).iter().all(|word| {
        let figures_are_known = self::figures(word).iter().all(|figure| figures.contains(figure));
        let number_is_known = !NUMBERS.contains(&word.as_str()) || known.contains(word);
        let link_is_known = !is_link(word) || known.contains(word);
        figures_are_known && number_is_known && link_is_known
    })
}

/// The figures of a word without separators of thousands: of `£1,299.50` it is `1299.50`. With its currency or its percent sign.
fn figures(word: &str) -> Vec<String> {
    if !word.contains(|c: char| c.is_numeric()) {
        return Vec::new();
    }
    let word = word.replace(',', "");
    let parts = word.split(|c: char| !(c.is_numeric() || ".£$€%".contains(c)));
    let parts = parts.map(|part| part.trim_matches('.').trim_end_matches(".00"));
    parts.filter(|part| part.contains(|c: char| c.is_numeric())).map(str::to_owned).collect()
}

/// Whether a word looks like the name of a host: letters on both sides of a dot.
fn is_domain(word: &str) -> bool {
    word.split_once('.').is_some_and(|(name, rest)| {
        let top = rest.split(['/', '.', ':']).next().unwrap_or_default();
        name.len() > 1 && top.len() > 1 && top.chars().all(|c| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages() -> Vec<String> {
        let texts = [
            "The delivery time begins when you submit the complete intake form. It takes 14 days and costs £1,299. See https://levqor.ai/help.",
            "You can cancel at any time; a refund is paid within five days.",
        ];
        texts.map(str::to_owned).to_vec()
    }

    fn checked(text: &str, passage: usize, quote: &str) -> Result<Grounded, NotGrounded> {
        let written =
            json!({"answered": true, "statements": [{"text": text, "passage": passage, "quote": quote}]});
        check(&written.to_string(), &passages(), |text| text.replace("[MAIL_1]", " "))
    }

    #[test]
    fn a_statement_is_grounded_by_the_text_that_it_quotes() {
        let quote = "begins when you submit the complete intake form";
        for text in [
            "The delivery time begins with the complete intake form.",
            "[MAIL_1], the delivery takes 14 days and costs £1,299.00.",
            "The delivery time begins when you submit the form; see https://levqor.ai/help.",
        ] {
            let grounded = checked(text, 1, quote).unwrap_or_else(|why| panic!("{text}: {why:?}"));
            assert_eq!((grounded.text.as_str(), grounded.cited), (text, vec![0]));
        }
    }

    #[test]
    fn statements_without_a_passage_are_dropped() {
        let quote = "begins when you submit the complete intake form";
        for (text, passage, quote) in [
            ("The delivery time begins at once.", 1, "begins when you pay for it"),
            ("The delivery time begins then.", 2, quote),
            ("The delivery time begins then.", 0, quote),
            ("The delivery time begins then.", 3, quote),
            ("The delivery time begins then.", 1, "form"),
            ("The delivery time is 15 days.", 1, quote),
            ("The delivery time is £14.", 1, quote),
            ("The delivery time is three days.", 1, quote),
            ("The delivery time: see https://evil.example/help.", 1, quote),
            ("The delivery time: see levqor.com.", 1, quote),
            ("The delivery time: write to help@levqor.ai.", 1, quote),
            ("The delivery form is free.", 1, quote),
            ("The delivery: we guarantee the time.", 1, quote),
            ("Penguins inhabit southern oceans.", 1, quote),
        ] {
            assert_eq!(checked(text, passage, quote), Err(NotGrounded::Unsupported), "{text}");
        }
    }

    #[test]
    fn each_reason_for_no_answer_is_distinguished() {
        let none = |written: &str| check(written, &passages(), str::to_owned);
        assert_eq!(none(r#"{"answered": false, "statements": []}"#), Err(NotGrounded::NoAnswer));
        assert_eq!(none(r#"{"answered": true, "statements": []}"#), Err(NotGrounded::Empty));
        for malformed in [
            "",
            "Sure!",
            "[]",
            r#"{"answered": true}"#,
            r#"{"answered": true, "statements": [{"text": "a"}]}"#,
        ] {
            assert_eq!(none(malformed), Err(NotGrounded::Malformed), "{malformed}");
        }
    }
}
