//! Cuts the Markdown of an article into passages of plain text, which are searched and quoted.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A longer part is cut between its paragraphs.
const LONGEST: usize = 900;

/// A passage: at most a few paragraphs under one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Empty at the beginning of an article.
    pub(crate) heading: String,
    /// Plain text. An empty line separates paragraphs; points of a list begin with a hyphen or a number.
    pub(crate) body: String,
}

/// The passages of a text, in their order.
pub(crate) fn passages(markdown: &str) -> Vec<Passage> {
    let mut cutter = Cutter::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        cutter.take(event);
    }
    cutter.end_part();
    cutter.passages
}

/// Cuts while it reads.
#[derive(Default)]
struct Cutter {
    passages: Vec<Passage>,
    heading: String,
    blocks: Vec<String>,
    /// The text of the block that is being read.
    text: String,
    in_heading: bool,
    /// The next number of each open list; none for a list without numbers.
    lists: Vec<Option<u64>>,
}

impl Cutter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.end_part();
                self.in_heading = true;
            }
            Event::End(TagEnd::Heading(_)) => {
                std::mem::take(&mut self.text).trim().clone_into(&mut self.heading);
                self.in_heading = false;
            }
            Event::Start(Tag::List(first)) => {
                self.end_line();
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.end_block();
                }
            }
            Event::Start(Tag::Item) => {
                self.end_line();
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.text.push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
                self.text.push_str(&mark);
            }
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak | Event::End(TagEnd::TableRow | TagEnd::TableHead) => self.end_line(),
            Event::End(TagEnd::TableCell) => self.text.push_str("; "),
            Event::End(TagEnd::Paragraph) if !self.lists.is_empty() => self.end_line(),
            Event::End(TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::Table | TagEnd::BlockQuote(_)) => {
                self.end_block();
            }
            _ => {}
        }
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.text);
        let block = block.trim_end();
        if !block.trim().is_empty() {
            self.blocks.push(block.to_owned());
        }
    }

    /// Makes passages of the blocks under one heading.
    fn end_part(&mut self) {
        self.end_block();
        let mut body = String::new();
        for block in std::mem::take(&mut self.blocks) {
            // An introduction such as "It depends on the size:" stays with its list.
            let continues = body.ends_with(':');
            if !body.is_empty() && !continues && body.len() + block.len() > LONGEST {
                self.passages
                    .push(Passage { heading: self.heading.clone(), body: std::mem::take(&mut body) });
            }
            if !body.is_empty() {
                body.push_str("\n\n");
            }
            body.push_str(&block);
        }
        if !body.is_empty() {
            self.passages.push(Passage { heading: std::mem::take(&mut self.heading), body });
        }
        self.heading.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(markdown: &str) -> Vec<(String, String)> {
        passages(markdown).into_iter().map(|passage| (passage.heading, passage.body)).collect()
    }

    #[test]
    fn a_passage_is_what_stands_under_a_heading_without_marks() {
        let text = "Hello **you**,\nread [this](https://levqor.ai).\n\n## Which\n\nThese:\n\n- `one`\n- two\n\n1. a\n2. b\n\n## Empty\n\n### Last\n\nIt costs {{price.tier.starter}}.";
        let expected = [
            ("", "Hello you, read this."),
            ("Which", "These:\n\n- one\n- two\n\n1. a\n2. b"),
            ("Last", "It costs {{price.tier.starter}}."),
        ];
        assert_eq!(shown(text), expected.map(|(heading, body)| (heading.to_owned(), body.to_owned())));
    }

    #[test]
    fn a_long_part_is_cut_between_paragraphs_but_not_before_the_list_of_a_sentence() {
        let long = "word ".repeat(120).trim().to_owned();
        let cut = shown(&format!("# H\n\n{long}\n\n{long}:\n\n- {long}"));
        assert_eq!(cut.len(), 2);
        assert!(cut.iter().all(|(heading, _)| heading == "H"));
        assert_eq!(cut[0].1, long);
        assert_eq!(cut[1].1, format!("{long}:\n\n- {long}"));
    }

    #[test]
    fn markup_of_pages_is_left_out() {
        assert_eq!(shown("a <script>alert(1)</script> b\n\n<div>c</div>\n\nd")[0].1, "a alert(1) b\n\nd");
    }
}
