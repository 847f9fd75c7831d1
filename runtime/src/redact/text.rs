//! Redacts texts: replaces anything that looks like an address, a card, a token or a key.
//!
//! This is the second defence. The first is that nothing personal is written into a text at all.

use std::borrow::Cow;

/// The prefixes of our keys and of the vendors' keys.
const KEYS: &[&str] = &[
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "re_", "sk-", "xoxb-", "ghp_", "eyJ", "Bearer",
    "AKIA",
];
/// A key is longer than a word that happens to start with a prefix.
const LEAST_KEY: usize = 16;

/// The text without anything that looks personal or secret.
#[must_use]
pub fn text(given: &str) -> Cow<'_, str> {
    let suspect = given.bytes().any(|b| b == b'@' || b.is_ascii_digit() || b == b'_')
        || KEYS.iter().any(|key| given.contains(key));
    if !suspect {
        return Cow::Borrowed(given);
    }
    let mut changed = false;
    let mut out = String::with_capacity(given.len());
    for piece in pieces(given) {
        match verdict(piece) {
            Some(replacement) => {
                changed = true;
                out.push_str(replacement);
            }
            None => out.push_str(piece),
        }
    }
    match without_cards(&out) {
        Some(text) => Cow::Owned(text),
        None if changed => Cow::Owned(out),
        None => Cow::Borrowed(given),
    }
}

/// Words and their separators, in order.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let in_word = |c: char| c.is_alphanumeric() || "@._-+~%".contains(c);
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let word = in_word(first);
        let end = rest.find(|c| in_word(c) != word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

fn verdict(piece: &str) -> Option<&'static str> {
    // An address may be percent-encoded, from a URL.
    let mark = if piece.contains('@') { "@" } else { "%40" };
    if piece.find(mark).is_some_and(|at| at > 0 && at + mark.len() < piece.len()) {
        return Some("[email]");
    }
    let key = piece.len() >= LEAST_KEY && KEYS.iter().any(|key| piece.starts_with(key));
    key.then_some("[secret]")
}

/// The text without runs of 13 to 19 digits, grouped or not, that pass the check of card numbers (ISO/IEC 7812-1).
fn without_cards(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut kept, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        let begins = bytes.get(at).is_some_and(u8::is_ascii_digit)
            && !at
                .checked_sub(1)
                .and_then(|at| bytes.get(at))
                .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
        if !begins {
            at += 1;
            continue;
        }
        let (end, digits) = run(bytes, at);
        let ends = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
        if ends && (13..=19).contains(&digits.len()) && luhn(&digits) {
            out.push_str(text.get(kept..at).unwrap_or_default());
            out.push_str("[card]");
            kept = end;
        }
        at = end;
    }
    if kept == 0 {
        return None;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Some(out)
}

/// The end of the run of digits that begins here, and its digits. Single spaces and dashes may separate them.
fn run(bytes: &[u8], from: usize) -> (usize, Vec<u8>) {
    let (mut end, mut digits) = (from, Vec::new());
    let mut at = from;
    loop {
        match bytes.get(at) {
            Some(digit) if digit.is_ascii_digit() => {
                digits.push(digit - b'0');
                at += 1;
                end = at;
            }
            Some(b' ' | b'-') if at == end => at += 1,
            _ => return (end, digits),
        }
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 { digit } else { (digit * 2) / 10 + (digit * 2) % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn text_that_looks_personal_or_secret_is_replaced() {
        for (given, expected) in [
            ("no row for alice@example.com (42)", "no row for [email] (42)"),
            ("GET /x?email=alice%40example.com", "GET /x?email=[email]"),
            ("card 4242424242424242.", "card [card]."),
            ("card 4242 4242 4242 4242 was", "card [card] was"),
            (concat!("key sk_", "test_4eC39HqLyjWDarjtT1zdp7dc!"), "key [secret]!"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "[secret]"),
            ("whsec_0123456789abcdef", "[secret]"),
        ] {
            assert_eq!(text(given), expected);
        }
    }

    #[test]
    fn text_that_engineers_need_is_kept() {
        for given in [
            "the database refused a statement",
            "SQLSTATE 23505, constraint items_owner_key",
            "019378e5-1f5d-7c51-8a3a-424242424242",
            "deferred call 5f2b8c3d4242424242424242a at 127.0.0.1:50051",
            "attempt 3 of 25 after 1732445091123 ms",
            "re_try later, @ noon",
        ] {
            assert_eq!(text(given), given);
        }
    }
}
