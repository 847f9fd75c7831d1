//! The part of a reply by mail that is new: without the quoted mail and the signature. The rules are data
//! (`data/quote-rules.txt`).

/// How many lines the head of a quoted mail may take, such as "On Monday … Ada wrote:".
const HEAD_LINES: usize = 3;
/// A signature of one line is looked for among this many last lines.
const LAST_LINES: usize = 3;

/// The rules.
#[derive(Debug, Default)]
pub(crate) struct QuoteRules {
    begins: Vec<String>,
    ends: Vec<String>,
    lines: Vec<String>,
    headers: Vec<String>,
    signatures: Vec<String>,
    signature_begins: Vec<String>,
}

impl QuoteRules {
    /// The rules that come with the service.
    pub(crate) fn shipped() -> Self {
        Self::read(include_str!("../../data/quote-rules.txt"))
    }

    fn read(text: &str) -> Self {
        let mut rules = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        for (kind, value) in lines.filter_map(|line| line.split_once(": ")) {
            let list = match kind {
                "quote-begins" => &mut rules.begins,
                "quote-ends" => &mut rules.ends,
                "quote-line" => &mut rules.lines,
                "header" => &mut rules.headers,
                "signature" => &mut rules.signatures,
                "signature-begins" => &mut rules.signature_begins,
                _ => continue,
            };
            list.push(value.to_owned());
        }
        rules
    }

    /// The new part of a text. If nothing would be left, the whole text.
    pub(crate) fn new_part(&self, text: &str) -> String {
        let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\u{a0}', " ");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let is_new = |line: &&str| !line.trim().is_empty() && !is_quoted(line);
        let tail = lines.iter().rposition(is_new).map_or(0, |last| last + 1);
        let begins = |at: &usize| self.is_quote_from(&lines, *at, tail);
        let quote = (0..lines.len()).find(begins).unwrap_or(lines.len());
        let below = self.without_signature(lines.get(quote..).unwrap_or_default());
        let answers_inside = answers_between_quotes(below);
        let kept = if answers_inside { &lines[..] } else { &lines[..quote] };
        let kept = trimmed(self.without_signature(trimmed(kept)));
        let new = kept.join("\n");
        if new.trim().is_empty() { text.trim().to_owned() } else { new }
    }

    /// Whether the quoted mail begins at this line. From the tail on, there are only quoted and empty lines.
    fn is_quote_from(&self, lines: &[&str], at: usize, tail: usize) -> bool {
        let Some(rest) = lines.get(at..) else { return false };
        let Some(line) = rest.first().map(|line| comparable(line)) else { return false };
        if self.lines.iter().any(|rule| line.starts_with(rule)) {
            return true;
        }
        if at >= tail && is_quoted(lines[at]) {
            return true;
        }
        let is_header = |line: &&str| {
            let line = comparable(line);
            self.headers.iter().any(|rule| line.starts_with(rule))
        };
        if rest.iter().take(HEAD_LINES).filter(|line| is_header(line)).count() == HEAD_LINES {
            return true;
        }
        let begins = self.begins.iter().any(|rule| {
            line.strip_prefix(rule.as_str()).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        });
        let mut head = String::new();
        begins
            && rest.iter().take(HEAD_LINES).any(|line| {
                head.push_str(&comparable(line));
                head.push(' ');
                let has_date = head.chars().any(|c| c.is_ascii_digit());
                has_date && self.ends.iter().any(|rule| comparable(line).ends_with(rule))
            })
    }

    fn without_signature<'l, 't>(&self, lines: &'l [&'t str]) -> &'l [&'t str] {
        let is_mark = |line: &&str| self.signatures.iter().any(|rule| line.trim() == rule);
        if let Some(at) = lines.iter().rposition(is_mark).filter(|at| *at > 0) {
            return &lines[..at];
        }
        let last = lines.len().saturating_sub(LAST_LINES).max(1);
        let begins = |line: &&str| {
            let line = comparable(line);
            self.signature_begins.iter().any(|rule| line.starts_with(rule))
        };
        let at = lines.iter().skip(last).position(begins).map(|at| at + last);
        &lines[..at.unwrap_or(lines.len())]
    }
}

/// Whether the mail has text between the quoted lines: then the answers are kept with the quotes that they answer.
fn answers_between_quotes(lines: &[&str]) -> bool {
    let first = lines.iter().position(|line| is_quoted(line));
    let last = lines.iter().rposition(|line| is_quoted(line));
    match first.zip(last) {
        Some((first, _)) => lines[first..].iter().any(|line| !line.trim().is_empty() && !is_quoted(line)),
        None => false,
    }
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

fn comparable(line: &str) -> String {
    line.trim().to_lowercase()
}

/// The lines without empty ones at the ends.
fn trimmed<'l, 't>(lines: &'l [&'t str]) -> &'l [&'t str] {
    let is_full = |line: &&str| !line.trim().is_empty();
    let first = lines.iter().position(is_full).unwrap_or(lines.len());
    let end = lines.iter().rposition(is_full).map_or(first, |last| last + 1);
    &lines[first..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIXED: &str = "On 3 Nov 2026, Levqor wrote:\n> Which plan?\nGrowth.\n> Since when?\nSince May.";

    #[test]
    fn the_new_part_is_the_text_above_the_quoted_mail_and_the_signature() {
        let rules = QuoteRules::shipped();
        for (text, new) in [
            ("It works now.", "It works now."),
            (
                "Yes.\r\n\r\nOn Mon, 3 Nov 2026 at 10:12, Levqor <a@b.cd> wrote:\r\n> Does it work?\r\n",
                "Yes.",
            ),
            (
                "Yes.\n\nOn Mon, 3 Nov 2026 at 10:12 Levqor Support\n<support@levqor.ai> wrote:\n\n> Does it?",
                "Yes.",
            ),
            ("Ja.\n\nAm 03.11.2026 um 10:12 schrieb Levqor <a@b.cd>:\n> Geht es?", "Ja."),
            ("Oui.\n\nLe lun. 3 nov. 2026 à 10:12, Levqor <a@b.cd> a écrit :\n> Alors ?", "Oui."),
            ("No.\n\n-----Original Message-----\nFrom: Levqor\nDoes it?", "No."),
            ("No.\n\n________________________________\nFrom: Levqor\nSent: Monday\nTo: Ada\nDoes it?", "No."),
            ("No.\n\nFrom: Levqor\nSent: Monday\nTo: Ada\nSubject: Help\n\nDoes it?", "No."),
            ("> Does it?\n\nNo, it does not.", "> Does it?\n\nNo, it does not."),
            ("No.\n> Does it?\n>\n> Levqor", "No."),
            (MIXED, MIXED),
            ("It works.\n\n-- \nAda Lovelace\nAnalytical Engines", "It works."),
            ("It works.\n\nSent from my iPhone", "It works."),
            // A signature below the quote does not make the quote a part of the answer.
            ("Yes.\n\nOn Mon, 3 Nov 2026 at 10:12, Levqor <a@b.cd> wrote:\n> Does it?\n\n-- \nAda", "Yes."),
            (
                "Yes.\n\nOn Mon, 3 Nov 2026, Levqor wrote:\n> Does it?\n> -- \n> Levqor\n\nSent from my iPhone",
                "Yes.",
            ),
            ("On Monday I wrote:\nit broke at 9.", "On Monday I wrote:\nit broke at 9."),
            ("Sent from my iPhone", "Sent from my iPhone"),
            ("> only a quote", "> only a quote"),
            ("", ""),
        ] {
            assert_eq!(rules.new_part(text), new, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_never_vanishes_and_no_text_breaks_the_rules(text in "(On |> |\\n|wrote:|-- |3|From: |Sent: |To: |[a-zéß ]){0,40}") {
            let new = QuoteRules::shipped().new_part(&text);
            prop_assert_eq!(new.is_empty(), text.trim().is_empty());
        }
    }
}
