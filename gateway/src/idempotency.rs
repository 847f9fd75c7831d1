//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): read here, honoured by the services.

use http::{HeaderMap, HeaderValue};
use levqor_runtime::{access::KeyRule, id};

use crate::problem::Problem;

const NAME: &str = "Idempotency-Key";

/// The key without quotes, as the services expect it. The header may be quoted, as in the draft, or bare, as most clients send it.
pub(crate) fn key(headers: &HeaderMap, rule: KeyRule) -> Result<Option<HeaderValue>, Problem> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else {
        return if rule == KeyRule::Required {
            Err(Problem::invalid_field(NAME, "is required: this call is made once per key"))
        } else {
            Ok(None)
        };
    };
    if values.next().is_some() {
        return Err(Problem::invalid_field(NAME, "is given twice"));
    }
    let key = value.to_str().ok().and_then(parse);
    let key = key.and_then(|key| HeaderValue::try_from(key).ok());
    key.map(Some).ok_or_else(|| Problem::invalid_field(NAME, id::EXPECTED_KEY))
}

fn parse(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(quoted) => unquote(quoted.strip_suffix('"')?)?,
    };
    id::is_idempotency_key(&key).then_some(key)
}

/// The inside of a string of RFC 9651, 3.3.3: a backslash is allowed only before a quote or another backslash.
fn unquote(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        for (header, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            ("\"8e03978e\"", Some("8e03978e")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            ("", None),
            ("\"\"", None),
            ("\"a", None),
            ("\"a\"b\"", None),
            (r#""a\b""#, None),
            ("a b", None),
            ("a\tb", None),
        ] {
            assert_eq!(parse(header).as_deref(), key, "{header}");
        }
        assert!(parse(&"k".repeat(255)).is_some());
        assert!(parse(&"k".repeat(256)).is_none());
    }
}
