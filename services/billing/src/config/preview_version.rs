//! The version of Stripe's API that has redaction jobs: a preview, which Stripe enables for an account.

use std::str::FromStr;

use levqor_runtime::config::Setting;

pub(super) const REDACTION_VERSION: Setting = Setting::plain(
    "LEVQOR_STRIPE_REDACTION_VERSION",
    None,
    "Version of Stripe's API that has redaction jobs, such as `2026-06-24.preview`: then Stripe is asked to redact the deleted customer of an erased person, as soon as Stripe allows it. Stripe has to enable redaction jobs for the account first. Without it Stripe deletes the customer, but keeps the data of past payments.",
);

/// A version of Stripe's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreviewVersion(String);

impl PreviewVersion {
    pub(super) const EXPECTED: &str = "a version of Stripe's API, such as 2026-06-24.preview";

    /// The version's name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a version.
#[derive(Debug)]
pub(crate) struct Malformed;

impl FromStr for PreviewVersion {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_=;".contains(&byte);
        let fits = (10..=100).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_is_accepted() {
        assert!("2026-06-24.preview".parse::<PreviewVersion>().is_ok());
        for bad in ["", "true", "2026-06-24 preview", "2026-06-24.Preview\r\n"] {
            assert!(bad.parse::<PreviewVersion>().is_err(), "{bad:?}");
        }
    }
}
