//! Claims as RFC 7519 defines them. Optional claims that cannot be read are ignored.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::{LEEWAY, TokenError};

/// The longest subject (`OpenID` Connect Core, 2).
const MOST_OF_SUBJECT: usize = 255;

/// Seconds since 1970, with or without a fraction (RFC 7519, 2, `NumericDate`).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct NumericDate(f64);

impl NumericDate {
    /// Reads a claim. `None` if it is not a number.
    pub(super) fn of(claim: &Value) -> Option<Self> {
        claim.as_f64().map(Self)
    }

    /// The instant. A value outside the calendar becomes its first or last instant.
    fn time(self) -> DateTime<Utc> {
        if self.0 < 0.0 {
            return DateTime::<Utc>::MIN_UTC;
        }
        let since = std::time::Duration::try_from_secs_f64(self.0).ok();
        let since = since.and_then(|since| TimeDelta::from_std(since).ok());
        since
            .and_then(|since| DateTime::UNIX_EPOCH.checked_add_signed(since))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) issued: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
    pub(super) expires: NumericDate,
}

impl Life {
    /// Checks that the token is valid now and that its lifetime is not longer than `longest`.
    pub(super) fn check(self, now: DateTime<Utc>, longest: TimeDelta) -> Result<(), TokenError> {
        let expires = self.expires.time();
        let early = self.not_before.is_some_and(|not_before| not_before.time() > now + LEEWAY);
        if expires <= now - LEEWAY || early {
            return Err(TokenError::Expired);
        }
        // An issue date in the future must not make a long lifetime look short.
        let too_long = match self.issued.map(NumericDate::time) {
            Some(issued) if issued <= now => expires - issued > longest,
            Some(_) | None => expires - now > longest + LEEWAY,
        };
        if too_long { Err(TokenError::LivesTooLong) } else { Ok(()) }
    }
}

/// The subject, if it can be stored and shown as a name.
pub(super) fn subject(sub: String) -> Result<String, TokenError> {
    let fits = !sub.trim().is_empty() && sub.len() <= MOST_OF_SUBJECT && !sub.contains(char::is_control);
    if fits { Ok(sub) } else { Err(TokenError::Subject) }
}

/// Whether the claim is true. Some identity providers write it as text.
pub(super) fn is_true(claim: &Value) -> bool {
    matches!(claim, Value::Bool(true)) || claim.as_str() == Some("true")
}

/// The names in a claim that is a list of names, or one name.
pub(super) fn names(claim: &Value) -> BTreeSet<&str> {
    match claim {
        Value::String(name) => BTreeSet::from([name.as_str()]),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => BTreeSet::new(),
    }
}
