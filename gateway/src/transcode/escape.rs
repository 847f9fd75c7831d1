//! Decodes percent-encoding, strictly: text that does not decode to UTF-8 is refused.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The text holds a percent sign without two hexadecimal digits, or bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid percent-encoding of UTF-8")]
pub(crate) struct NotDecodable;

/// Decodes a path segment.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, NotDecodable> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut parts = text.split('%');
    parts.next();
    let whole = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !parts.all(whole) {
        return Err(NotDecodable);
    }
    percent_decode_str(text).decode_utf8().map_err(|_| NotDecodable)
}

/// Decodes a path segment of a value that spans several: an encoded slash stays as it is.
pub(crate) fn decode_keeping_slashes(text: &str) -> Result<Cow<'_, str>, NotDecodable> {
    let is_slash = |window: &[u8]| matches!(window, [b'%', b'2', b'F' | b'f']);
    let mut rest = text;
    let mut decoded = String::new();
    while let Some(at) = rest.as_bytes().windows(3).position(is_slash) {
        let (before, behind) = rest.split_at(at);
        let (slash, behind) = behind.split_at(3);
        decoded.push_str(&decode(before)?);
        decoded.push_str(slash);
        rest = behind;
    }
    if decoded.is_empty() {
        return decode(rest);
    }
    decoded.push_str(&decode(rest)?);
    Ok(Cow::Owned(decoded))
}

/// Decodes a key or a value of a query, in which a plus sign is a space.
pub(crate) fn decode_query(text: &str) -> Result<Cow<'_, str>, NotDecodable> {
    if text.contains('+') {
        return decode(&text.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()));
    }
    decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_is_decoded() {
        assert_eq!(decode("a%20b").as_deref(), Ok("a b"));
        assert_eq!(decode("%C3%A9").as_deref(), Ok("é"));
        for text in ["%", "%2", "%zz", "a%C3", "%ff", "%2%20", "%é9"] {
            assert_eq!(decode(text), Err(NotDecodable), "{text}");
        }
    }

    #[test]
    fn a_plus_is_a_space_in_queries_only() {
        assert_eq!(decode_query("a+b%2Bc").as_deref(), Ok("a b+c"));
        assert_eq!(decode("a+b").as_deref(), Ok("a+b"));
        assert_eq!(decode_keeping_slashes("a%2fb%20c%2F").as_deref(), Ok("a%2fb c%2F"));
    }
}
