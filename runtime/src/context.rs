//! Who is calling, and what this call may do: the value that every handler holds.

use std::time::Instant;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use crate::actor::{Actor, Role, User};

use crate::{access::Method, email::Email};

/// Which rows of owned tables a call may see. Every store function on such a table takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All rows: staff, admins and services.
    All,
    /// Rows of one person: rows with their `sub`, and rows without an owner that have their verified address.
    Own {
        sub: String,
        /// The address, only if it is verified and may claim.
        email: Option<Email>,
    },
}

impl Scope {
    /// True where all rows may be seen.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The person, for `WHERE`.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        if let Self::Own { sub, .. } = self { Some(sub) } else { None }
    }

    /// The verified address, for `WHERE`.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        if let Self::Own { email: Some(email), .. } = self { Some(email.as_str()) } else { None }
    }
}

/// The header of the address of a caller without a token: of IPv6, its first 64 bits. RPCs that guard codes are counted by it.
pub const CLIENT_ADDRESS: &str = "levqor-client-address";
/// The header of the caller's network.
pub const CLIENT_NETWORK: &str = "levqor-client-network";
/// The header of the caller's program.
pub const CLIENT_PROGRAM: &str = "levqor-client-program";
/// The signal of Global Privacy Control.
pub const PRIVACY_SIGNAL: &str = "sec-gpc";

/// The gateway's facts about the caller, for RPCs that store evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The network of the caller: the first 24 bits of an IPv4 address, or the first 48 of an IPv6 address.
    pub network: Option<String>,
    /// The caller's program (`User-Agent`), cut to 200 characters.
    pub program: Option<String>,
    /// Whether the browser sends the signal of Global Privacy Control.
    pub objects_by_signal: bool,
}

impl Client {
    /// Reads it from the headers of a call.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let owned = |name: &str| text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            network: owned(CLIENT_NETWORK),
            program: owned(CLIENT_PROGRAM),
            objects_by_signal: text(PRIVACY_SIGNAL) == Some("1"),
        }
    }
}

/// One call: who makes it, under which names, until when.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Who is calling.
    pub actor: Actor,
    /// The verified token of a person who calls. A call to another service that carries it has exactly that person's rights.
    pub user_token: Option<SecretString>,
    /// The request's name in logs and answers.
    pub request_id: String,
    /// The key by which the call is made once.
    pub idempotency_key: Option<String>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    pub method: &'static Method,
    /// The gateway's facts about the caller. Empty for an RPC that stores no evidence.
    pub client: Client,
}

impl Ctx {
    /// The rows that this call may see. Anonymous callers own nothing.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.actor {
            Actor::Service(_) => Scope::All,
            Actor::User(user) if user.role >= Role::Staff => Scope::All,
            Actor::User(user) => Scope::Own {
                sub: user.sub.clone(),
                email: user.email.clone().filter(|email| user.email_verified && email.may_claim()),
            },
            Actor::Anonymous => Scope::Own { sub: String::new(), email: None },
        }
    }

    /// The language and region that the token of a customer names (claim `locale`, BCP 47), for the mails that the call causes. Empty if
    /// the token names none in a usable form. Empty for staff too: their language is not that of the customer.
    #[must_use]
    pub fn locale(&self) -> String {
        let is_customer = matches!(&self.actor, Actor::User(user) if user.role == Role::Customer);
        let token = self.user_token.as_ref().filter(|_| is_customer);
        token.and_then(|token| locale_of(token.expose_secret())).unwrap_or_default()
    }
}

/// The claim `locale` of a token that was verified before.
fn locale_of(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let tag = claims.get("locale")?.as_str()?;
    // The length is that of RFC 5646, 4.4.1. Some identity providers write `en_US`.
    let fits = (2..=35).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    fits.then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_is_no_tag_is_no_locale() {
        for (claims, expected) in [
            (r#"{"locale":"en-US"}"#, Some("en-US")),
            (r#"{"locale":"en_AU"}"#, Some("en_AU")),
            (r#"{"locale":""}"#, None),
            (r#"{"locale":"en US"}"#, None),
            (r#"{"locale":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, None),
            (r#"{"locale":["en-US"]}"#, None),
            (r#"{"locale":null}"#, None),
            ("{}", None),
        ] {
            let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
            assert_eq!(locale_of(&token).as_deref(), expected, "{claims}");
        }
        assert_eq!(locale_of("no token"), None);
    }
}
