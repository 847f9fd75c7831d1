//! Verifies signatures: HMAC-SHA-256 with each of the live secrets.

use chrono::{DateTime, Utc};
use ring::hmac;

use super::signature::{SignatureError, SignatureHeaders, Signed};

/// The live secrets. There are two while a secret is being rotated.
pub struct Verifier {
    keys: Vec<hmac::Key>,
}

impl Verifier {
    /// Creates a verifier with these secrets, in the order of their setting.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let key = |secret: S| hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        Self { keys: secrets.into_iter().map(key).collect() }
    }

    /// The number of live secrets.
    #[must_use]
    pub fn secrets(&self) -> usize {
        self.keys.len()
    }

    /// Checks the signatures in constant time, and then the timestamp that they cover. Returns the position of the matching secret.
    pub fn verify(
        &self,
        headers: SignatureHeaders<'_>,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<usize, SignatureError> {
        let signed = headers.read()?;
        // Hashes the body once per secret, however many signatures there are.
        let matches = |key: &hmac::Key| {
            let tag = sign(key, &signed, body);
            signed.signatures.iter().any(|signature| equal(key, tag.as_ref(), signature))
        };
        let place = self.keys.iter().position(matches).ok_or(SignatureError::Mismatch)?;
        signed.in_time(now)?;
        Ok(place)
    }
}

fn sign(key: &hmac::Key, signed: &Signed<'_>, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for text in signed.id.into_iter().chain([signed.timestamp]) {
        context.update(text.as_bytes());
        context.update(b".");
    }
    context.update(body);
    context.sign()
}

/// Compares in constant time. ring can only verify tags in constant time, so this compares the tags of the two values.
fn equal(key: &hmac::Key, tag: &[u8], signature: &[u8]) -> bool {
    hmac::verify(key, tag, hmac::sign(key, signature).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::webhook::standard_key;

    const NOW: i64 = 1_614_265_330;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    mod timestamped {
        use super::*;

        const BODY: &[u8] = br#"{"id":"evt_1"}"#;

        fn signature(secret: &str, timestamp: i64) -> String {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hex::encode(hmac::sign(&key, &[format!("{timestamp}.").as_bytes(), BODY].concat()))
        }

        fn verify(header: &str) -> Result<usize, SignatureError> {
            let verifier = Verifier::new(["whsec_new", "whsec_old"]);
            verifier.verify(SignatureHeaders::Timestamped(header), BODY, at(NOW))
        }

        #[test]
        fn every_live_secret_and_every_entry_counts() {
            for (place, secret) in ["whsec_new", "whsec_old"].into_iter().enumerate() {
                let good = signature(secret, NOW);
                let other = signature("whsec_other", NOW);
                assert_eq!(verify(&format!("t={NOW},v1={good}")), Ok(place));
                assert_eq!(verify(&format!("t={NOW}, v0={other}, v1={other}, v1=zz, v1={good}")), Ok(place));
            }
        }

        #[test]
        fn another_secret_another_body_or_another_time_does_not_match() {
            let other = signature("whsec_other", NOW);
            assert_eq!(verify(&format!("t={NOW},v1={other}")), Err(SignatureError::Mismatch));
            let earlier = signature("whsec_new", NOW - 1);
            assert_eq!(verify(&format!("t={NOW},v1={earlier}")), Err(SignatureError::Mismatch));
            let good = signature("whsec_new", NOW);
            assert_eq!(verify(&format!("t={NOW},v0={good},v1={other}")), Err(SignatureError::Mismatch));
            assert_eq!(verify(&format!("t={NOW},v1={}", &good[..32])), Err(SignatureError::Mismatch));
        }

        #[test]
        fn a_valid_signature_is_refused_if_its_time_differs_by_more_than_300_seconds() {
            for (age, expected) in [
                (300, Ok(0)),
                (-300, Ok(0)),
                (301, Err(SignatureError::Stale)),
                (-301, Err(SignatureError::Future)),
            ] {
                let timestamp = NOW - age;
                let header = format!("t={timestamp},v1={}", signature("whsec_new", timestamp));
                assert_eq!(verify(&header), expected, "{age} s old");
            }
        }

        #[test]
        fn only_so_many_entries_are_compared() {
            let other = format!("v1={},", signature("whsec_other", NOW)).repeat(8);
            let header = format!("t={NOW},{other}v1={}", signature("whsec_new", NOW));
            assert_eq!(verify(&header), Err(SignatureError::Mismatch));
        }
    }

    mod standard {
        use super::*;

        // The example of <https://docs.svix.com/receiving/verifying-payloads/how-manual>.
        const SECRET: &str = concat!("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        const TIMESTAMP: &str = "1614265330";
        const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        const BODY: &[u8] = br#"{"test": 2432232314}"#;

        fn verify(
            [id, timestamp, signatures]: [&str; 3],
            body: &[u8],
            age: i64,
        ) -> Result<usize, SignatureError> {
            let keys = ["whsec_YW5vdGhlciBvZiAxNiBieQ", SECRET];
            let keys = keys.map(|secret| standard_key(&secret.into()).expect("a key"));
            let verifier = Verifier::new(keys.iter().map(ExposeSecret::expose_secret));
            let headers = SignatureHeaders::Standard { id, timestamp, signatures };
            verifier.verify(headers, body, at(NOW + age))
        }

        #[test]
        fn the_example_of_the_documentation_is_valid_also_among_other_signatures() {
            assert_eq!(verify([ID, TIMESTAMP, SIGNATURE], BODY, 0), Ok(1));
            let several = format!("v1a,AAAA v1,AAAA v1,??? {SIGNATURE} v2,AAAA");
            assert_eq!(verify([ID, TIMESTAMP, &several], BODY, 0), Ok(1));
        }

        #[test]
        fn a_change_of_any_signed_part_is_refused() {
            for changed in [
                verify([ID, TIMESTAMP, SIGNATURE], b"{}", 0),
                verify(["msg_other", TIMESTAMP, SIGNATURE], BODY, 0),
                verify([ID, "1614265331", SIGNATURE], BODY, 0),
                verify([ID, TIMESTAMP, "v1,AAAA"], BODY, 0),
            ] {
                assert_eq!(changed, Err(SignatureError::Mismatch));
            }
        }

        #[test]
        fn a_valid_signature_is_refused_if_its_time_differs_by_more_than_300_seconds() {
            for (age, expected) in [
                (300, Ok(1)),
                (-300, Ok(1)),
                (301, Err(SignatureError::Stale)),
                (-301, Err(SignatureError::Future)),
            ] {
                assert_eq!(verify([ID, TIMESTAMP, SIGNATURE], BODY, age), expected, "{age} s old");
            }
        }
    }
}
