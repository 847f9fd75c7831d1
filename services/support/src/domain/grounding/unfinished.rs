//! The statements of an answer that a language model is still writing, each checked once it is complete. Customers read them before
//! the whole answer is checked, so if a statement fails its check, neither it nor anything after it is shown.

use super::{MOST_CHARS, MOST_STATEMENTS, Statement};

/// How an answer begins, without spaces. An answer that begins in another way is checked when it is complete, and is
/// not streamed.
const BEGIN: &str = r#"{"answered":true,"statements":["#;

/// An answer that the model is still writing.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    written: String,
    /// How many bytes of it were read. 0: the statements have not begun.
    read: usize,
    statements: usize,
    chars: usize,
    /// Whether a statement did not hold.
    is_dropped: bool,
}

impl Unfinished {
    /// Adds the model's text. Returns the text of the statements that it completes: the next part of the answer's text. `plain`
    /// takes out the replacements of hidden data.
    pub(crate) fn add(&mut self, piece: &str, passages: &[String], plain: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        self.written.push_str(piece);
        if self.read == 0 {
            self.read = begin(&self.written).unwrap_or_default();
        }
        while let Some(statement) = self.complete() {
            let said = statement.text.trim();
            let said = if self.statements == 0 { said.to_owned() } else { format!("\n\n{said}") };
            self.statements += 1;
            self.chars += said.chars().count();
            let fits = self.statements <= MOST_STATEMENTS && self.chars <= MOST_CHARS;
            if fits && statement.holds(passages, &plain) {
                text.push_str(&said);
            } else {
                self.is_dropped = true;
            }
        }
        text
    }

    /// The next statement, if it is complete and can be shown.
    fn complete(&mut self) -> Option<Statement> {
        if self.read == 0 || self.is_dropped {
            return None;
        }
        let rest = self.written.get(self.read..)?;
        let rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Statement>();
        let statement = values.next()?.ok()?;
        self.read = self.written.len() - rest.len() + values.byte_offset();
        Some(statement)
    }
}

/// Where the statements begin.
fn begin(written: &str) -> Option<usize> {
    let mut begin = BEGIN.chars().peekable();
    for (at, c) in written.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        if begin.next() != Some(c) {
            return None;
        }
        if begin.peek().is_none() {
            return Some(at + c.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::grounding::check;

    const QUOTE: &str = "begins when you submit the complete intake form";

    fn passages() -> Vec<String> {
        vec![
            "The delivery time begins when you submit the complete intake form. It takes 14 days.".to_owned(),
        ]
    }

    fn answer(texts: &[&str]) -> String {
        let statement = |text: &&str| json!({"text": text, "passage": 1, "quote": QUOTE});
        let statements: Vec<_> = texts.iter().map(statement).collect();
        // Models may write spaces anywhere.
        format!("{{\"answered\": true,\n \"statements\": {}}}", json!(statements))
    }

    /// The parts of the text that are shown while this is written, in pieces of this many characters.
    fn shown(written: &str, length: usize) -> Vec<String> {
        let mut unfinished = Unfinished::default();
        let written: Vec<_> = written.chars().collect();
        let pieces = written.chunks(length).map(|piece| piece.iter().collect::<String>());
        let shown = pieces.map(|piece| unfinished.add(&piece, &passages(), str::to_owned));
        shown.filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn the_parts_shown_before_the_end_are_the_text_of_the_whole_answer() {
        let texts =
            ["The delivery begins with the form “£”. ", "It takes 14 days: {[\"a\", 14]}, with the form."];
        let written = answer(&texts);
        let whole = check(&written, &passages(), str::to_owned).expect("an answer").text;
        for length in [1, 3, 7, 1_000] {
            assert_eq!(shown(&written, length).concat(), whole, "{length}");
        }
        assert_eq!(shown(&written, 1).len(), 2, "each statement by itself");
    }

    #[test]
    fn nothing_is_shown_from_the_first_statement_on_that_does_not_hold() {
        let good = "The delivery begins with the form.";
        for bad in ["It takes 15 days.", "The form is free.", "See https://evil.example."] {
            assert_eq!(shown(&answer(&[good, bad, good]), 5).concat(), good, "{bad}");
        }
        let many = shown(&answer(&[good; MOST_STATEMENTS + 1]), 5);
        assert_eq!(many.len(), MOST_STATEMENTS);
        assert!(shown(&answer(&[&good.repeat(MOST_CHARS / good.len() + 1)]), 5).is_empty());
    }

    #[test]
    fn an_answer_in_another_form_is_not_shown_before_its_end() {
        let written = answer(&["The delivery begins with the form."]);
        for other in [
            written.replace("true", "false"),
            written.replace("answered", "replied"),
            format!("Sure! {written}"),
            written.replace("{\"answered\": true,", "{"),
            "{".to_owned(),
        ] {
            assert!(shown(&other, 4).is_empty(), "{other}");
        }
    }
}
