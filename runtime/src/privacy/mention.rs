//! Whether a stored content (JSON, a protobuf message, or a text) mentions a person. It compares the characters around an
//! address, too, so that `bob@example.com` is not found in `jim.bob@example.com`.

use serde_json::Value;

use super::Subject;

/// The greatest depth of nested messages that is searched.
const DEEPEST: u8 = 16;

/// The identifiers that a content is searched for.
pub(crate) struct Mentions {
    /// In lower case. They match as a word anywhere in a text, in upper or lower case.
    words: Vec<String>,
    /// They match as a word anywhere in a text, but only in the same case: two ids of a vendor may differ only by case.
    ids: Vec<String>,
    /// They match only a whole value.
    values: Vec<String>,
}

impl Mentions {
    pub(crate) fn of(subject: &Subject) -> Self {
        Self {
            words: subject.emails.iter().map(|word| word.to_lowercase()).collect(),
            ids: subject.vendor_ids.iter().cloned().collect(),
            values: subject.subs.iter().cloned().collect(),
        }
    }

    /// The texts for a first search in the database: only a content with one of them is read. They are in lower case, in the form of
    /// PostgreSQL's `lower(encode(content, 'escape'))`, and in the forms that JSON may use.
    pub(crate) fn candidates(&self) -> Vec<String> {
        let exact = self.ids.iter().chain(&self.values).map(|value| value.to_lowercase());
        let texts = self.words.iter().cloned().chain(exact);
        let mut candidates: Vec<_> = texts
            .flat_map(|text| [text.clone(), in_json(&text), in_ascii(&text)])
            .map(|text| escaped(&text))
            .collect();
        candidates.sort();
        candidates.dedup();
        candidates.retain(|candidate| !candidate.is_empty());
        candidates
    }

    /// Whether the content mentions the person.
    pub(crate) fn are_in(&self, content: &[u8]) -> bool {
        if let Ok(json) = serde_json::from_slice::<Value>(content) {
            return self.in_value(&json);
        }
        match fields(content) {
            Some(fields) => fields.iter().any(|field| self.in_field(field, DEEPEST)),
            None => str::from_utf8(content).is_ok_and(|text| self.in_text(text)),
        }
    }

    fn in_value(&self, json: &Value) -> bool {
        match json {
            Value::String(text) => self.in_text(text),
            Value::Array(values) => values.iter().any(|value| self.in_value(value)),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| self.in_text(name) || self.in_value(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn in_field(&self, field: &[u8], depth: u8) -> bool {
        str::from_utf8(field).is_ok_and(|text| self.in_text(text))
            || (depth > 0
                && fields(field)
                    .is_some_and(|inner| inner.iter().any(|field| self.in_field(field, depth - 1))))
    }

    fn in_text(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.values.iter().any(|value| value == text)
            || self.ids.iter().any(|id| is_word_in(id, text))
            || self.words.iter().any(|word| is_word_in(word, &lower))
    }
}

/// Whether a text contains a word without a letter, digit or other character of an address beside it.
fn is_word_in(word: &str, text: &str) -> bool {
    let of_local = |c: char| c.is_alphanumeric() || "._%+-!#$&*~^".contains(c);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) =
            (text.get(..at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
        let goes_on = after.trim_start_matches(['.', '-']).chars().next().is_some_and(char::is_alphanumeric);
        let touches = after.chars().next().is_some_and(|c| c.is_alphanumeric() || ".-_".contains(c));
        !(before.chars().next_back().is_some_and(of_local) || touches && goes_on)
    })
}

/// The length-delimited fields of a protobuf message. `None` if the bytes are not a message.
fn fields(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        if tag >> 3 == 0 {
            return None;
        }
        let length = match tag & 7 {
            0 => rest.len() - varint(rest)?.1.len(),
            1 => 8,
            5 => 4,
            2 => {
                let (length, content) = varint(rest)?;
                let length = usize::try_from(length).ok()?;
                fields.push(content.get(..length)?);
                rest.len() - content.len() + length
            }
            _ => return None,
        };
        bytes = rest.get(length..)?;
    }
    Some(fields)
}

/// A number in protobuf's variable-length form, and the bytes after it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// The text in the form of PostgreSQL's `encode(…, 'escape')`.
fn escaped(text: &str) -> String {
    let escaped = |byte| match byte {
        b'\\' => "\\\\".to_owned(),
        0 | 0x80.. => format!("\\{byte:03o}"),
        _ => char::from(byte).to_string(),
    };
    text.bytes().map(escaped).collect()
}

/// The text in a JSON string, without the quotes.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// The text in a JSON string that has only ASCII characters.
fn in_ascii(text: &str) -> String {
    let mut units = [0; 2];
    let ascii = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => c
            .encode_utf16(&mut units)
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect::<Vec<_>>()
            .concat(),
    };
    in_json(text).chars().map(ascii).collect()
}

#[cfg(test)]
mod tests {
    use levqor_proto::mail::v1::SendMessageRequest;
    use prost::Message;

    use super::*;

    fn mentions(email: &str) -> Mentions {
        Mentions::of(&Subject {
            subs: ["auth0|7".to_owned()].into(),
            emails: [email.to_owned()].into(),
            vendor_ids: ["cus_1".to_owned()].into(),
        })
    }

    #[test]
    fn an_address_is_found_as_a_word_and_in_no_other_address() {
        let bob = mentions("bob@example.com");
        for text in [
            "bob@example.com",
            "\"to\": \"Bob <BOB@Example.com>\".",
            "write to bob@example.com.",
            "x='bob@example.com'",
            "bob@example.com, and cus_1",
            "cus_1",
        ] {
            assert!(bob.are_in(text.as_bytes()), "{text}");
        }
        for text in [
            "jim.bob@example.com",
            "jim_bob@example.com",
            "a+bob@example.com",
            "bob@example.com.au",
            "bob@example.community",
            "bob@example.com-x.org",
            "cus_12",
            "xcus_1",
            "CUS_1",
            "the auth0|7 within",
        ] {
            assert!(!bob.are_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn json_and_protobuf_are_searched() {
        for email in ["bob@example.com", "b_%+\\'b@example.com", "jos\u{e9}@example.com"] {
            let found = mentions(email);
            let json = serde_json::json!({"data": {"object": {"emails": [email]}}}).to_string();
            assert!(found.are_in(json.as_bytes()), "{json}");
            let other = serde_json::json!({"email": format!("x{email}")}).to_string();
            assert!(!found.are_in(other.as_bytes()), "{other}");
            // A length of 97 to 122 bytes is encoded as a letter. That letter is not part of the address.
            for about in ["", "order:1"] {
                let request = SendMessageRequest {
                    recipient: format!("{}{email}", " ".repeat(100_usize.saturating_sub(email.len()))),
                    about: about.to_owned(),
                    ..SendMessageRequest::default()
                };
                assert!(found.are_in(&request.encode_to_vec()), "{email}");
            }
        }
        let sub = SendMessageRequest { about: "auth0|7".to_owned(), ..SendMessageRequest::default() };
        assert!(mentions("a@b.example").are_in(&sub.encode_to_vec()));
        assert!(!mentions("a@b.example").are_in(&[0xff, 0x00, 0x12]));
    }

    #[test]
    fn candidates_have_the_form_in_which_postgresql_encodes_them() {
        let candidates = mentions("jos\u{e9}\\@example.com").candidates();
        for expected in
            ["jos\\303\\251\\\\@example.com", "jos\\\\u00e9\\\\\\\\@example.com", "cus_1", "auth0|7"]
        {
            assert!(candidates.iter().any(|candidate| candidate == expected), "{expected}: {candidates:?}");
        }
    }
}
