//! Stripe's signature over a webhook: HMAC-SHA-256 of `<timestamp>.<body>` with a secret that only Stripe and we know.

use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How far a signature's timestamp may be from now, either way.
const TOLERANCE: TimeDelta = TimeDelta::seconds(300);
/// Stripe sends one signature per live secret of an endpoint. More than this is somebody who wants us to compare.
const MOST_SIGNATURES: usize = 8;

/// Why a webhook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// No header.
    #[error("the Stripe-Signature header is missing")]
    Missing,
    /// A header without a timestamp, or without a `v1` signature.
    #[error("the Stripe-Signature header is malformed; expected t=…,v1=…")]
    Malformed,
    /// Signed with a secret that is not ours, or the body was changed on the way.
    #[error("the signature does not match the body")]
    Mismatch,
    /// Signed too long ago: perhaps somebody replays it.
    #[error("the signature's timestamp is more than 300 seconds old")]
    Stale,
    /// Signed in the future: a clock is wrong, or somebody plans ahead.
    #[error("the signature's timestamp is more than 300 seconds in the future")]
    Future,
}

/// Verifies signatures with every live secret; while one is being rolled there are two.
pub(crate) struct Verifier {
    keys: Vec<hmac::Key>,
}

impl Verifier {
    /// A verifier for these secrets, `whsec_` and all: the prefix is part of Stripe's key.
    pub(crate) fn new(secrets: &[SecretString]) -> Self {
        let key =
            |secret: &SecretString| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { keys: secrets.iter().map(key).collect() }
    }

    /// How many secrets are live.
    pub(crate) fn secrets(&self) -> usize {
        self.keys.len()
    }

    /// Checks the signature first, in constant time, and only then the timestamp that it covers. The place of the secret
    /// that verified it.
    pub(crate) fn verify(
        &self,
        header: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<usize, SignatureError> {
        let Header { timestamp, signatures } = Header::read(header)?;
        // The body is read once per secret, however many signatures come with it.
        let matches = |key: &hmac::Key| {
            let tag = sign(key, timestamp, body);
            signatures.iter().any(|signature| equal(key, tag.as_ref(), signature))
        };
        let place = self.keys.iter().position(matches).ok_or(SignatureError::Mismatch)?;
        let signed_at = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        match now.signed_duration_since(signed_at.ok_or(SignatureError::Malformed)?) {
            age if age > TOLERANCE => Err(SignatureError::Stale),
            age if age < -TOLERANCE => Err(SignatureError::Future),
            _ => Ok(place),
        }
    }
}

fn sign(key: &hmac::Key, timestamp: &str, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in [timestamp.as_bytes(), b".", body] {
        context.update(part);
    }
    context.sign()
}

/// Compares in constant time: ring offers that for tags only, so it compares the tags of the two.
fn equal(key: &hmac::Key, tag: &[u8], signature: &[u8]) -> bool {
    hmac::verify(key, tag, hmac::sign(key, signature).as_ref()).is_ok()
}

/// `t=1700000000,v1=ab…,v1=cd…,v0=…`: only the first timestamp and the `v1` entries count.
struct Header<'a> {
    timestamp: &'a str,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Header<'a> {
    fn read(header: &'a str) -> Result<Self, SignatureError> {
        if header.trim().is_empty() {
            return Err(SignatureError::Missing);
        }
        let entries = || header.split(',').filter_map(|entry| entry.trim().split_once('='));
        let timestamp = entries().find(|(name, _)| *name == "t").ok_or(SignatureError::Malformed)?.1;
        let signatures: Vec<_> = entries()
            .filter(|(name, _)| *name == "v1")
            .take(MOST_SIGNATURES)
            .filter_map(|(_, signature)| hex::decode(signature).ok())
            .collect();
        if signatures.is_empty() {
            return Err(SignatureError::Malformed);
        }
        Ok(Self { timestamp, signatures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW: i64 = 1_700_000_000;

    fn sign(secret: &str, timestamp: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex::encode(hmac::sign(&key, &[format!("{timestamp}.").as_bytes(), BODY].concat()))
    }

    fn verify(header: &str) -> Result<usize, SignatureError> {
        let secrets = ["whsec_new", "whsec_old"].map(SecretString::from);
        Verifier::new(&secrets).verify(header, BODY, DateTime::from_timestamp(NOW, 0).expect("an instant"))
    }

    #[test]
    fn every_live_secret_and_every_entry_counts() {
        for (place, secret) in ["whsec_new", "whsec_old"].into_iter().enumerate() {
            let good = sign(secret, NOW);
            let other = sign("whsec_other", NOW);
            assert_eq!(verify(&format!("t={NOW},v1={good}")), Ok(place));
            assert_eq!(verify(&format!("t={NOW}, v0={other}, v1={other}, v1=zz, v1={good}")), Ok(place));
        }
    }

    #[test]
    fn another_secret_another_body_or_another_time_does_not_match() {
        let other = sign("whsec_other", NOW);
        assert_eq!(verify(&format!("t={NOW},v1={other}")), Err(SignatureError::Mismatch));
        let earlier = sign("whsec_new", NOW - 1);
        assert_eq!(verify(&format!("t={NOW},v1={earlier}")), Err(SignatureError::Mismatch));
        let good = sign("whsec_new", NOW);
        assert_eq!(verify(&format!("t={NOW},v0={good},v1={other}")), Err(SignatureError::Mismatch));
        assert_eq!(verify(&format!("t={NOW},v1={}", &good[..32])), Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_tolerance_is_300_seconds_either_way() {
        for (age, expected) in [
            (300, Ok(0)),
            (-300, Ok(0)),
            (301, Err(SignatureError::Stale)),
            (-301, Err(SignatureError::Future)),
        ] {
            let timestamp = NOW - age;
            let header = format!("t={timestamp},v1={}", sign("whsec_new", timestamp));
            assert_eq!(verify(&header), expected, "{age} s old");
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_says_so() {
        assert_eq!(verify(" "), Err(SignatureError::Missing));
        let good = sign("whsec_new", NOW);
        for header in
            ["nonsense".to_owned(), format!("v1={good}"), format!("t={NOW}"), format!("t={NOW},v1=zz")]
        {
            assert_eq!(verify(&header), Err(SignatureError::Malformed), "{header}");
        }
    }

    #[test]
    fn only_so_many_entries_are_compared() {
        let other = format!("v1={},", sign("whsec_other", NOW)).repeat(MOST_SIGNATURES);
        let header = format!("t={NOW},{other}v1={}", sign("whsec_new", NOW));
        assert_eq!(verify(&header), Err(SignatureError::Mismatch));
    }
}
