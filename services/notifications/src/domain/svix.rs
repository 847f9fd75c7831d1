//! Svix's signature over a webhook, which Resend uses: HMAC-SHA-256 of `<id>.<timestamp>.<body>`, in base64, with a secret
//! that is written in base64 after `whsec_`: <https://docs.svix.com/receiving/verifying-payloads/how-manual>.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chrono::{DateTime, Utc};
use levqor_runtime::webhook::{SignatureError, Signed, Verifier};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// Base64 with or without the padding at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key of fewer bytes can be guessed. Svix makes 24.
pub const LEAST_BYTES: usize = 16;

/// What a webhook's headers say.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// `svix-id`
    pub id: &'a str,
    /// `svix-timestamp`
    pub timestamp: &'a str,
    /// `svix-signature`: `v1,<base64>`, and several of them with spaces between.
    pub signature: &'a str,
}

/// The key that a secret stands for; none where it is not written as secrets are, or too short.
#[must_use]
pub fn key(secret: &SecretString) -> Option<SecretSlice<u8>> {
    let key = BASE64.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    (key.len() >= LEAST_BYTES).then(|| key.into())
}

/// Verifies a webhook with one of the live secrets; the place of the one that did.
pub fn verify(
    verifier: &Verifier,
    headers: Headers<'_>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<usize, SignatureError> {
    let Headers { id, timestamp, signature } = headers;
    if [id, timestamp, signature].iter().any(|header| header.trim().is_empty()) {
        return Err(SignatureError::Missing);
    }
    // Other versions than the first are of schemes that came later, or of keys that are not shared.
    let entries = signature.split_ascii_whitespace().filter_map(|entry| entry.strip_prefix("v1,"));
    let signatures: Vec<_> = entries.filter_map(|entry| BASE64.decode(entry).ok()).collect();
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    verifier.verify(&Signed { parts: &parts, timestamp, signatures: &signatures }, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Svix's own documentation.
    const SECRET: &str = concat!("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn verify_at(age: i64, headers: Headers<'_>, body: &[u8]) -> Result<usize, SignatureError> {
        let keys = ["whsec_YW5vdGhlciBvZiAxNiBieQ", SECRET].map(|secret| key(&secret.into()).expect("a key"));
        let verifier = Verifier::new(keys.iter().map(ExposeSecret::expose_secret));
        let now = DateTime::from_timestamp(1_614_265_330 + age, 0).expect("an instant");
        verify(&verifier, headers, body, now)
    }

    const HEADERS: Headers<'_> = Headers { id: ID, timestamp: TIMESTAMP, signature: SIGNATURE };

    #[test]
    fn the_example_of_the_documentation_is_good_among_others_too() {
        assert_eq!(verify_at(0, HEADERS, BODY), Ok(1));
        let several = format!("v1a,AAAA v1,AAAA v1,??? {SIGNATURE} v2,AAAA");
        assert_eq!(verify_at(0, Headers { signature: &several, ..HEADERS }, BODY), Ok(1));
    }

    #[test]
    fn whatever_is_signed_cannot_be_changed() {
        for changed in [
            verify_at(0, HEADERS, b"{}"),
            verify_at(0, Headers { id: "msg_other", ..HEADERS }, BODY),
            verify_at(0, Headers { timestamp: "1614265331", ..HEADERS }, BODY),
            verify_at(0, Headers { signature: "v1,AAAA", ..HEADERS }, BODY),
        ] {
            assert_eq!(changed, Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn the_tolerance_is_300_seconds_either_way() {
        for (age, expected) in [
            (300, Ok(1)),
            (-300, Ok(1)),
            (301, Err(SignatureError::Stale)),
            (-301, Err(SignatureError::Future)),
        ] {
            assert_eq!(verify_at(age, HEADERS, BODY), expected, "{age} s old");
        }
    }

    #[test]
    fn headers_that_are_missing_or_malformed_say_so() {
        for headers in [
            Headers { id: "", ..HEADERS },
            Headers { timestamp: " ", ..HEADERS },
            Headers { signature: "", ..HEADERS },
        ] {
            assert_eq!(verify_at(0, headers, BODY), Err(SignatureError::Missing));
        }
        for signature in ["g0hM9SsE", "v2,AAAA", "v1,???"] {
            let headers = Headers { signature, ..HEADERS };
            assert_eq!(verify_at(0, headers, BODY), Err(SignatureError::Malformed), "{signature}");
        }
    }

    #[test]
    fn a_secret_is_base64_of_16_bytes_at_least_after_its_prefix() {
        for secret in ["whsec_YW5vdGhlciBvZiAxNiBieQ==", "whsec_YW5vdGhlciBvZiAxNiBieQ"] {
            assert!(key(&secret.into()).is_some(), "{secret}");
        }
        let fifteen_bytes = "whsec_YW5vdGhlciBvZiAxNSBi";
        let bare = "YW5vdGhlciBvZiAxNiBieQ==";
        for secret in
            [bare, fifteen_bytes, "whsec_YQ==", "whsec_", "whsec_of tests, long enough", "whsec_???"]
        {
            assert!(key(&secret.into()).is_none(), "{secret}");
        }
    }
}
