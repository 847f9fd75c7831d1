//! The settings of this service, parsed and validated before anything opens.

use std::str::FromStr;

use age::x25519;
use levqor_runtime::{
    address::{ADDRESS_KEY, AddressKey},
    config::{Reader, Setting},
    email::Email,
    privacy::LedgerKey,
    site::{SITE_URL, SiteUrl},
    storage::Place,
};
use ring::hmac;
use secrecy::ExposeSecret;

use crate::drive::Drive;

/// The configuration.
pub struct Config {
    /// `LEVQOR_COMPANY_ADDRESS`
    pub company: String,
    /// `LEVQOR_API_URL`
    pub api: SiteUrl,
    /// `LEVQOR_SITE_URL`
    pub site: SiteUrl,
    /// `LEVQOR_PRIVACY_EMAIL`
    pub privacy_email: Email,
    /// `LEVQOR_STORAGE_DIR` or `LEVQOR_STORAGE_S3_BUCKET`
    pub storage: Option<Place>,
    /// `LEVQOR_STORAGE_DRIVE_CLIENT_ID`
    pub(crate) drive: Option<Drive>,
    /// `LEVQOR_STORAGE_KEY`
    pub storage_key: Option<StorageKey>,
    /// `LEVQOR_ADDRESS_KEY`
    pub address_key: Option<AddressKey>,
}

/// The key of stored copies: an age identity.
#[derive(Clone)]
pub struct StorageKey(pub(crate) x25519::Identity);

impl StorageKey {
    /// The key of the ledger's hashes, derived from this one.
    pub(crate) fn of_ledger(&self) -> LedgerKey {
        const PURPOSE: &[u8] = b"levqor erasure ledger";
        let secret = self.0.to_string();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        LedgerKey::new(hmac::sign(&secret, PURPOSE).as_ref())
    }
}

/// The text is not an age identity.
#[derive(Debug, thiserror::Error)]
#[error("not an age identity")]
pub struct NotAStorageKey;

impl FromStr for StorageKey {
    type Err = NotAStorageKey;

    fn from_str(text: &str) -> Result<Self, NotAStorageKey> {
        text.trim().parse().map(Self).map_err(|_| NotAStorageKey)
    }
}

/// Notifications reads the same setting.
const API_URL: Setting = Setting::plain(
    "LEVQOR_API_URL",
    Some("https://api.levqor.ai"),
    "Where recipients reach the gateway: mails link to its pages (preference centre, unsubscribing, confirmation).",
);
/// Notifications reads the same setting.
const COMPANY_ADDRESS: Setting = Setting::plain(
    "LEVQOR_COMPANY_ADDRESS",
    Some("Levqor, United Kingdom"),
    "The company's name and postal address, on one line, as each mail shows it. Advertising needs the whole address.",
);
/// Support reads the same setting.
const PRIVACY_EMAIL: Setting = Setting::plain(
    "LEVQOR_PRIVACY_EMAIL",
    Some("privacy@levqor.ai"),
    "Where people write about data protection, as help articles name it.",
);
pub(crate) const STORAGE_KEY: Setting = Setting::secret(
    "LEVQOR_STORAGE_KEY",
    "Key that encrypts stored copies of personal data: an age identity (`AGE-SECRET-KEY-1…`, made by `age-keygen`). Without it nobody can ask for a copy or an erasure.",
);

impl Config {
    /// Every setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings = vec![SITE_URL, API_URL, COMPANY_ADDRESS, PRIVACY_EMAIL, STORAGE_KEY, ADDRESS_KEY];
        settings.extend(Place::settings());
        settings.extend(Drive::settings());
        settings
    }

    /// Reads every setting and reports every mistake.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let api = reader.defaulted(&API_URL, "an http(s) URL without a slash at its end");
        let site = SiteUrl::read(reader);
        let privacy_email = reader.defaulted(&PRIVACY_EMAIL, "a mail address");
        let company = reader.defaulted(&COMPANY_ADDRESS, "one line");
        let (storage, drive) = (Place::read(reader), Drive::read(reader));
        let storage_key = reader.secret(&STORAGE_KEY).and_then(|text| {
            let key = text.expose_secret().parse().ok();
            if key.is_none() {
                reader.problem(&STORAGE_KEY, "expected an age identity, AGE-SECRET-KEY-1…");
            }
            key
        });
        let address_key = reader.secret(&ADDRESS_KEY).and_then(|secret| {
            let key = AddressKey::try_new(&secret).ok();
            if key.is_none() {
                let expected = format!("expected a secret of at least {} bytes", AddressKey::LEAST_BYTES);
                reader.problem(&ADDRESS_KEY, expected);
            }
            key
        });
        Some(Self {
            company: company?,
            api: api?,
            site: site?,
            privacy_email: privacy_email?,
            storage,
            drive,
            storage_key,
            address_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Problem, Problems};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = Config::read(&mut reader);
        reader.finish(config)
    }

    #[test]
    fn nothing_has_to_be_set_and_every_mistake_is_named() {
        let config = read(&[]).expect("a configuration");
        assert!(config.storage_key.is_none() && config.storage.is_none());
        let key = x25519::Identity::generate().to_string();
        let config = read(&[("LEVQOR_STORAGE_KEY", key.expose_secret())]).expect("a configuration");
        assert!(config.storage_key.is_some());
        let wrong =
            [("LEVQOR_API_URL", "levqor"), ("LEVQOR_STORAGE_DIR", "x"), ("LEVQOR_STORAGE_KEY", "hunter2")];
        let Problems(problems) = read(&wrong).err().expect("mistakes");
        let named: Vec<_> = problems.iter().map(|Problem { setting, .. }| setting.as_str()).collect();
        assert_eq!(named, ["LEVQOR_API_URL", "LEVQOR_STORAGE_DIR", "LEVQOR_STORAGE_KEY"]);
    }
}
