//! The replies of mail servers, and what each says about the recipient, the mail or us. The rules are data (`reply_rules.txt`).

use std::{str::FromStr, sync::LazyLock};

use levqor_proto_notifications::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// The meaning of a reply. Only `Hard` says that the address does not work.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum ReplyClass: wire::ReplyClass {
        /// The address does not exist, or takes no mail any more.
        Hard = "HARD",
        /// The server cannot take the mail now.
        Soft = "SOFT",
        /// The mailbox is full.
        Full = "FULL",
        /// We sent too much at once.
        Rate = "RATE",
        /// The server does not want mail from us: reputation, authentication of the domain, local policy.
        Policy = "POLICY",
        /// The server does not want this mail: its content, size or form.
        Content = "CONTENT",
        /// The server that we hand mail to does not accept our login or our sender.
        Relay = "RELAY",
        /// The reply does not say.
        Unknown = "UNKNOWN",
    }
}

const RULES: &str = include_str!("reply_rules.txt");

/// One line of the rules.
struct Rule {
    class: ReplyClass,
    code: &'static str,
    enhanced: Vec<&'static str>,
    words: Vec<&'static str>,
}

/// The rules. A line that cannot be read is left out; a test refuses it.
static ALL: LazyLock<Vec<Rule>> = LazyLock::new(|| lines().filter_map(Rule::read).collect());

fn lines() -> impl Iterator<Item = &'static str> {
    RULES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl Rule {
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.split('|').map(str::trim);
        let (class, code, enhanced, words) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let list = |text: &'static str| {
            let parts = text.split(',').map(str::trim).filter(|part| *part != "*" && !part.is_empty());
            parts.collect::<Vec<_>>()
        };
        let class = ReplyClass::from_str(class).ok()?;
        Some(Self { class, code, enhanced: list(enhanced), words: list(words) })
    }

    fn fits(&self, reply: &Reply) -> bool {
        let code = match reply.code {
            _ if self.code == "*" => true,
            Some(code) => code.to_string().starts_with(self.code),
            None => self.code == "5",
        };
        let enhanced = self.enhanced.is_empty()
            || reply
                .enhanced
                .is_some_and(|enhanced| self.enhanced.iter().any(|rule| is_like(enhanced, rule)));
        let words = self.words.is_empty() || self.words.iter().any(|word| reply.text.contains(word));
        code && enhanced && words
    }
}

/// Whether an enhanced code fits one of a rule: each part is equal, or `x` in the rule.
fn is_like(enhanced: [u16; 3], rule: &str) -> bool {
    let mut parts = rule.split('.');
    enhanced.iter().all(|number| parts.next().is_some_and(|part| part == "x" || part.parse() == Ok(*number)))
}

/// A reply, read as far as the rules need it.
struct Reply {
    code: Option<u16>,
    enhanced: Option<[u16; 3]>,
    /// In lower case, on one line.
    text: String,
}

impl Reply {
    fn read(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let words: Vec<_> = text.split(|c: char| c.is_whitespace() || "-;,()[]#<>=\"'".contains(c)).collect();
        let code = words.iter().find_map(|word| basic_code(word));
        let enhanced = words.iter().find_map(|word| enhanced_code(word));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code, enhanced, text }
    }
}

/// A code of a refusal, 400 to 599.
fn basic_code(word: &str) -> Option<u16> {
    let is_code = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|code| is_code && (400..600).contains(code))
}

/// An enhanced code, RFC 3463: `5.1.1`.
fn enhanced_code(word: &str) -> Option<[u16; 3]> {
    let mut parts = word.trim_end_matches([':', '.']).split('.');
    let mut number = |most: usize| {
        let part = parts.next()?;
        let fits = (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| fits)
    };
    let code = [number(1)?, number(3)?, number(3)?];
    (parts.next().is_none() && [4, 5].contains(&code[0])).then_some(code)
}

/// The class of a reply. The text may have several lines, and words of a gateway around the reply.
#[must_use]
pub fn class(text: &str) -> ReplyClass {
    let reply = Reply::read(text);
    ALL.iter().find(|rule| rule.fits(&reply)).map_or(ReplyClass::Unknown, |rule| rule.class)
}

/// The codes of a reply, which can be kept: its text may quote an address.
#[must_use]
pub fn codes(text: &str) -> String {
    let Reply { code, enhanced, .. } = Reply::read(text);
    let enhanced = enhanced.map(|[class, subject, detail]| format!("{class}.{subject}.{detail}"));
    [code.map(|code| code.to_string()), enhanced].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
