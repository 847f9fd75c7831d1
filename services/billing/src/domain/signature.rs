//! Stripe's signature over a webhook: HMAC-SHA-256 of `<timestamp>.<body>` with a secret that only Stripe and we know.

use chrono::{DateTime, Utc};
use levqor_runtime::webhook::{MOST_SIGNATURES, SignatureError, Signed, Verifier};

/// Verifies a webhook with one of the live secrets, `whsec_` and all: the prefix is part of Stripe's key. The place of the
/// secret that verified it.
pub(crate) fn verify(
    verifier: &Verifier,
    header: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<usize, SignatureError> {
    let Header { timestamp, signatures } = Header::read(header)?;
    let parts: [&[u8]; 3] = [timestamp.as_bytes(), b".", body];
    verifier.verify(&Signed { parts: &parts, timestamp, signatures: &signatures }, now)
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
    use ring::hmac;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW: i64 = 1_700_000_000;

    fn sign(secret: &str, timestamp: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex::encode(hmac::sign(&key, &[format!("{timestamp}.").as_bytes(), BODY].concat()))
    }

    fn verify(header: &str) -> Result<usize, SignatureError> {
        let verifier = Verifier::new(["whsec_new", "whsec_old"]);
        super::verify(&verifier, header, BODY, DateTime::from_timestamp(NOW, 0).expect("an instant"))
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
