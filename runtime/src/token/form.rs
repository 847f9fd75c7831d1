//! Tokens of public forms. A token is the signed time at which a page got it. The service refuses a form that is sent too soon or too
//! late after that time.

use chrono::{DateTime, Utc};
use ring::hmac;
use secrecy::SecretString;

use crate::pseudonyms::derived;

/// The purpose of the derived keys. It makes them different from the secrets, which also sign tokens.
const PURPOSE: &[u8] = b"levqor form tokens";

/// Makes and reads such tokens.
pub struct FormTokens(Vec<hmac::Key>);

impl FormTokens {
    /// Derives a key from each secret: the first signs, all are accepted.
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        Self(secrets.iter().map(|secret| derived(secret, PURPOSE)).collect())
    }

    /// A token with this time. Empty without a key. Then no token is accepted.
    #[must_use]
    pub fn mint(&self, now: DateTime<Utc>) -> String {
        let time = now.timestamp_millis().to_string();
        let sign = |key| format!("{time}.{}", hex::encode(hmac::sign(key, time.as_bytes()).as_ref()));
        self.0.first().map(sign).unwrap_or_default()
    }

    /// The time of a token. `None` if it is not one of ours.
    #[must_use]
    pub fn time_of(&self, token: &str) -> Option<DateTime<Utc>> {
        let (time, tag) = token.split_once('.')?;
        let tag = hex::decode(tag).ok()?;
        let is_ours = self.0.iter().any(|key| hmac::verify(key, time.as_bytes(), &tag).is_ok());
        let time = time.parse().ok().filter(|_| is_ours)?;
        DateTime::from_timestamp_millis(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_of_an_accepted_key_has_a_time() {
        let tokens = |secrets: &[&str]| {
            FormTokens::new(
                &secrets.iter().map(|it| SecretString::from((*it).to_owned())).collect::<Vec<_>>(),
            )
        };
        let now = DateTime::from_timestamp_millis(1_795_390_872_126).expect("an instant");
        let token = tokens(&["old"]).mint(now);
        assert_eq!(tokens(&["new", "old"]).time_of(&token), Some(now));
        assert_eq!(tokens(&["new"]).time_of(&token), None);
        for wrong in ["", ".", "1.", "1.zz", &token.replace('2', "3"), &format!("{token}00")] {
            assert_eq!(tokens(&["old"]).time_of(wrong), None, "{wrong}");
        }
    }
}
