//! One-time codes: six digits, valid for ten minutes and five tries, stored as a salted hash.

use std::{fmt, num::NonZeroU32, str::FromStr};

use chrono::TimeDelta;
use levqor_runtime::{request::Field, wire_enum};
use rand::Rng;
use ring::pbkdf2;

/// How long a code is valid.
pub(crate) const VALID: TimeDelta = TimeDelta::minutes(10);
/// How often a code may be tried.
pub(crate) const MOST_TRIES: i32 = 5;
/// The rounds of the hash. The life of a code is short, so a few are enough.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

wire_enum! {
    /// The purpose of a code.
    pub(crate) enum Purpose {
        /// It proves that the address is the person's.
        Confirmation = "CONFIRMATION",
        /// It opens a copy.
        Download = "DOWNLOAD",
    }
}

/// A code, as it is in a mail. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

/// The hash of a code, and its salt.
pub(crate) struct CodeHash {
    pub(crate) salt: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

impl Code {
    /// A new code.
    pub(crate) fn random() -> Self {
        Self(format!("{:06}", rand::rng().random_range(0..1_000_000)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its hash, with a new salt.
    pub(crate) fn hash(&self) -> CodeHash {
        let salt: [u8; 16] = rand::rng().random();
        let mut hash = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, self.0.as_bytes(), &mut hash);
        CodeHash { salt: salt.to_vec(), hash: hash.to_vec() }
    }

    /// Whether this is the code of the hash. It takes the same time in each case, also without a hash: the time of a try does not
    /// tell whether there is a code.
    pub(crate) fn is_of(&self, hash: Option<&CodeHash>) -> bool {
        let nobodys = CodeHash { salt: vec![0; 16], hash: vec![0; 32] };
        let CodeHash { salt, hash: expected } = hash.unwrap_or(&nobodys);
        let fits = pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, self.0.as_bytes(), expected);
        fits.is_ok() && hash.is_some()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code(…)")
    }
}

/// The text is not a code.
#[derive(Debug, thiserror::Error)]
#[error("not a code")]
pub(crate) struct NotACode;

impl FromStr for Code {
    type Err = NotACode;

    /// People copy codes with spaces.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_code { Ok(Self(digits)) } else { Err(NotACode) }
    }
}

impl Field for Code {
    const EXPECTED: &'static str = "the six digits of the mail";
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// How long the comparison takes, at the least.
    fn time(code: &Code, hash: Option<&CodeHash>) -> Duration {
        let times = (0..5).map(|_| {
            let begun = Instant::now();
            assert!(!code.is_of(hash));
            begun.elapsed()
        });
        times.min().expect("five times")
    }

    #[test]
    fn a_try_takes_as_long_without_a_code_as_with_a_wrong_one() {
        let code: Code = "012345".parse().expect("a code");
        let other = "012346".parse::<Code>().expect("a code").hash();
        let (without, wrong) = (time(&code, None), time(&code, Some(&other)));
        // Without the comparison it would be thousands of times faster.
        assert!(without * 10 > wrong, "without: {without:?}, wrong: {wrong:?}");
    }

    #[test]
    fn only_the_code_itself_fits_its_hash() {
        let code: Code = " 012 345".parse().expect("a code");
        let hash = code.hash();
        assert!(code.is_of(Some(&hash)) && !"012346".parse::<Code>().expect("a code").is_of(Some(&hash)));
        assert_ne!(hash.hash, code.hash().hash, "each has a salt of its own");
        assert_eq!(format!("{code:?}"), "Code(…)");
        for wrong in ["", "12345", "1234567", "12345a", "\u{661}\u{661}\u{661}"] {
            assert!(wrong.parse::<Code>().is_err(), "{wrong}");
        }
        assert_eq!(Code::random().as_str().len(), 6);
    }
}
