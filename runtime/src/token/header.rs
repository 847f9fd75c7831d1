//! Reads a token's header before its signature is verified, and refuses a token whose header is not allowed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{SERVICE_TYP, TokenError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Service,
}

/// The parts of the header that we use.
#[derive(Debug)]
pub(super) struct Header {
    /// The claimed algorithm. The key decides whether it is correct.
    pub(super) algorithm: Algorithm,
    /// The id of the claimed key.
    pub(super) kid: Option<String>,
    pub(super) kind: Kind,
}

impl Header {
    pub(super) fn read(token: &str) -> Result<Self, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(TokenError::Invalid)?;
        // The library reads `"crit": null` and `"typ": null` as absent. Here an absent member and an invalid member differ.
        let members = members(token).ok_or(TokenError::Header)?;
        // We support no extensions, so a token that requires one must be refused. An empty list is malformed (RFC 7515, 4.1.11).
        if members.contains_key("crit") {
            return Err(TokenError::Header);
        }
        let kind = match members.get("typ") {
            None => Kind::User,
            Some(Value::String(typ)) => kind(typ).ok_or(TokenError::WrongKind)?,
            Some(_) => return Err(TokenError::Header),
        };
        Ok(Self { algorithm: header.alg, kid: header.kid, kind })
    }
}

fn members(token: &str) -> Option<Map<String, Value>> {
    let encoded = token.split('.').next()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// The kind that a media type names (RFC 8725, 3.11). Media types ignore case, and `application/` is optional (RFC 7515, 4.1.9).
/// Identity providers sign other kinds with the same key: logout tokens, proofs of possession.
fn kind(typ: &str) -> Option<Kind> {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" | "at+jwt" => Some(Kind::User),
        SERVICE_TYP => Some(Kind::Service),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<Header, TokenError> {
        Header::read(&format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header)))
    }

    #[test]
    fn a_header_that_needs_an_extension_is_refused() {
        for crit in [r#"["exp"]"#, r#"["b64"]"#, r#"["https://other.example/x"]"#, "[]", "null", r#""b64""#] {
            let header = format!(r#"{{"alg":"HS256","crit":{crit},"b64":false}}"#);
            assert!(read(&header).is_err(), "{crit}");
        }
    }

    #[test]
    fn the_type_names_the_kind_of_token_and_other_kinds_are_refused() {
        for (typ, expected) in [
            (None, Some(Kind::User)),
            (Some(r#""JWT""#), Some(Kind::User)),
            (Some(r#""jwt""#), Some(Kind::User)),
            (Some(r#""application/JWT""#), Some(Kind::User)),
            (Some(r#""at+jwt""#), Some(Kind::User)),
            (Some(r#""Application/AT+JWT""#), Some(Kind::User)),
            (Some(r#""levqor-service+jwt""#), Some(Kind::Service)),
            (Some(r#""application/Levqor-Service+JWT""#), Some(Kind::Service)),
            (Some(r#""logout+jwt""#), None),
            (Some(r#""dpop+jwt""#), None),
            (Some(r#""secevent+jwt""#), None),
            (Some(r#""id+jwt""#), None),
            (Some(r#""JOSE""#), None),
            (Some(r#""""#), None),
            (Some(r#"" JWT""#), None),
            (Some("null"), None),
            (Some("7"), None),
        ] {
            let member = typ.map(|typ| format!(r#","typ":{typ}"#)).unwrap_or_default();
            let kind = read(&format!(r#"{{"alg":"HS256"{member}}}"#)).ok().map(|header| header.kind);
            assert_eq!(kind, expected, "{typ:?}");
        }
    }
}
