//! The headers with a webhook's signatures. The gateway reads them before the body arrives, the service before it verifies the body.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::service_error;

/// The allowed difference between a signature's timestamp and now, either way.
const TOLERANCE: TimeDelta = TimeDelta::seconds(300);
/// The most signatures that are compared. A sender makes one signature per live secret.
const MOST_SIGNATURES: usize = 8;
/// The longest header of signatures.
const MOST_BYTES: usize = 4 << 10;
/// The longest event id in a header.
const MOST_ID_BYTES: usize = 256;
/// A shorter key can be guessed.
pub const LEAST_KEY_BYTES: usize = 16;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

service_error! {
    /// Why a webhook's signature is refused.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub enum SignatureError {
        /// A header is missing.
        #[error("the signature's header is missing")]
        Missing => InvalidArgument "SIGNATURE_MISSING",
        /// A header is not in the sender's form.
        #[error("the signature's header is malformed")]
        Malformed => InvalidArgument "SIGNATURE_MALFORMED",
        /// It was signed with an unknown secret, or the body was changed on the way.
        #[error("the signature does not match the body")]
        Mismatch => InvalidArgument "SIGNATURE_MISMATCH",
        /// It was signed too long ago: this may be a replay attack.
        #[error("the signature's timestamp is more than 300 seconds old")]
        Stale => InvalidArgument "SIGNATURE_STALE",
        /// It was signed in the future: one of the clocks is wrong.
        #[error("the signature's timestamp is more than 300 seconds in the future")]
        Future => InvalidArgument "SIGNATURE_FUTURE",
    }
}

/// The headers that hold a webhook's signatures, in one of the two forms that senders use. A missing header is an empty text.
#[derive(Debug, Clone, Copy)]
pub enum SignatureHeaders<'a> {
    /// One header, `t=1700000000,v1=ab…,v0=…`: hexadecimal `v1` signatures over `<timestamp>.<body>`. The first timestamp counts.
    Timestamped(&'a str),
    /// The three headers of Standard Webhooks, <https://www.standardwebhooks.com>.
    Standard {
        id: &'a str,
        /// The time of the signature, in seconds since 1970.
        timestamp: &'a str,
        /// `v1,<base64>`, or several of them separated by spaces, over `<id>.<timestamp>.<body>`. Other versions do not count.
        signatures: &'a str,
    },
}

/// Signatures, and the signed text beside the body.
#[derive(Debug)]
pub struct Signed<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) timestamp: &'a str,
    pub(super) signatures: Vec<Vec<u8>>,
    time: DateTime<Utc>,
}

impl<'a> SignatureHeaders<'a> {
    /// Parses the headers.
    pub fn read(self) -> Result<Signed<'a>, SignatureError> {
        match self {
            Self::Timestamped(header) => {
                if header.trim().is_empty() {
                    return Err(SignatureError::Missing);
                }
                let entries = || header.split(',').filter_map(|entry| entry.trim().split_once('='));
                let mut timestamps = entries().filter(|(name, _)| *name == "t");
                let (_, timestamp) = timestamps.next().ok_or(SignatureError::Malformed)?;
                let signatures = entries().filter(|(name, _)| *name == "v1").take(MOST_SIGNATURES);
                let signatures = signatures.filter_map(|(_, signature)| hex::decode(signature).ok());
                Signed::new(None, timestamp, header, signatures)
            }
            Self::Standard { id, timestamp, signatures: header } => {
                if [id, timestamp, header].iter().any(|text| text.trim().is_empty()) {
                    return Err(SignatureError::Missing);
                }
                let signatures =
                    header.split_ascii_whitespace().filter_map(|entry| entry.strip_prefix("v1,"));
                let signatures =
                    signatures.take(MOST_SIGNATURES).filter_map(|signature| BASE64.decode(signature).ok());
                Signed::new(Some(id), timestamp, header, signatures)
            }
        }
    }
}

impl<'a> Signed<'a> {
    fn new(
        id: Option<&'a str>,
        timestamp: &'a str,
        header: &str,
        signatures: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Self, SignatureError> {
        let signatures: Vec<_> = signatures.filter(|signature| !signature.is_empty()).collect();
        let time = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let too_long = header.len() > MOST_BYTES || id.is_some_and(|id| id.len() > MOST_ID_BYTES);
        match time {
            Some(time) if !signatures.is_empty() && !too_long => Ok(Self { id, timestamp, signatures, time }),
            _ => Err(SignatureError::Malformed),
        }
    }

    /// Checks that the timestamp is recent.
    pub fn in_time(&self, now: DateTime<Utc>) -> Result<(), SignatureError> {
        match now.signed_duration_since(self.time) {
            age if age > TOLERANCE => Err(SignatureError::Stale),
            age if age < -TOLERANCE => Err(SignatureError::Future),
            _ => Ok(()),
        }
    }
}

/// The key in a Standard Webhooks secret, which is `whsec_` and base64. `None` if the secret is malformed or too short.
#[must_use]
pub fn standard_key(secret: &SecretString) -> Option<SecretSlice<u8>> {
    let key = BASE64.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    (key.len() >= LEAST_KEY_BYTES).then(|| key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamped(header: &str) -> Result<usize, SignatureError> {
        SignatureHeaders::Timestamped(header).read().map(|signed| signed.signatures.len())
    }

    fn standard(id: &str, timestamp: &str, signatures: &str) -> Result<usize, SignatureError> {
        SignatureHeaders::Standard { id, timestamp, signatures }.read().map(|signed| signed.signatures.len())
    }

    #[test]
    fn a_missing_header_is_reported_as_missing() {
        assert_eq!(timestamped(" "), Err(SignatureError::Missing));
        for (id, timestamp, signatures) in [("", "1", "v1,AAAA"), ("a", " ", "v1,AAAA"), ("a", "1", "")] {
            assert_eq!(standard(id, timestamp, signatures), Err(SignatureError::Missing));
        }
    }

    #[test]
    fn a_malformed_header_is_reported_as_malformed() {
        let long = format!("t=1,v1={}", "ab".repeat(MOST_BYTES));
        for header in ["nonsense", "v1=ab", "t=1", "t=1,v1=zz", "t=1,v1=", "t=soon,v1=ab", &long] {
            assert_eq!(timestamped(header), Err(SignatureError::Malformed), "{header}");
        }
        for signatures in ["AAAA", "v2,AAAA", "v1,???", "v1,", &format!("v1,{}", "A".repeat(MOST_BYTES))] {
            assert_eq!(standard("a", "1", signatures), Err(SignatureError::Malformed), "{signatures}");
        }
        assert_eq!(standard("a", "soon", "v1,AAAA"), Err(SignatureError::Malformed));
        assert_eq!(standard(&"a".repeat(257), "1", "v1,AAAA"), Err(SignatureError::Malformed));
    }

    #[test]
    fn only_a_limited_number_of_signatures_of_the_first_version_count() {
        assert_eq!(timestamped("t=1, v0=ab, v1=ab, v1=zz, v1=cd"), Ok(2));
        assert_eq!(standard("a", "1", "v1a,AAAA v1,AAAA v1,??? v1,BBBB v2,AAAA"), Ok(2));
        assert_eq!(timestamped(&format!("t=1{}", ",v1=ab".repeat(9))), Ok(MOST_SIGNATURES));
        assert_eq!(standard("a", "1", &"v1,AAAA ".repeat(9)), Ok(MOST_SIGNATURES));
    }

    #[test]
    fn the_tolerance_is_300_seconds_either_way() {
        let signed = SignatureHeaders::Timestamped("t=1000,v1=ab").read().expect("read");
        for (now, expected) in [
            (1300, Ok(())),
            (700, Ok(())),
            (1301, Err(SignatureError::Stale)),
            (699, Err(SignatureError::Future)),
        ] {
            let now = DateTime::from_timestamp(now, 0).expect("an instant");
            assert_eq!(signed.in_time(now), expected, "{now}");
        }
    }

    #[test]
    fn a_standard_secret_is_base64_of_16_bytes_at_least_after_its_prefix() {
        for secret in ["whsec_YW5vdGhlciBvZiAxNiBieQ==", "whsec_YW5vdGhlciBvZiAxNiBieQ"] {
            assert!(standard_key(&secret.into()).is_some(), "{secret}");
        }
        let fifteen_bytes = "whsec_YW5vdGhlciBvZiAxNSBi";
        let bare = "YW5vdGhlciBvZiAxNiBieQ==";
        for secret in
            [bare, fifteen_bytes, "whsec_YQ==", "whsec_", "whsec_of tests, long enough", "whsec_???"]
        {
            assert!(standard_key(&secret.into()).is_none(), "{secret}");
        }
    }
}
