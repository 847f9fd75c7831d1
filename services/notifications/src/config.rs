//! The settings of this service, parsed and validated before anything opens.

use levqor_runtime::{
    client::ApiBase,
    config::{Reader, Setting},
    webhook::{LEAST_KEY_BYTES, standard_key},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::domain::{address::AddressKey, delivery::KeyHours, sender::Sender, site::SiteUrl};

/// The configuration.
pub struct Config {
    /// `LEVQOR_ADDRESS_KEY`
    pub address_key: AddressKey,
    /// `LEVQOR_MAIL_FROM`
    pub sender: Sender,
    /// `LEVQOR_SITE_URL`
    pub site: SiteUrl,
    /// `RESEND_API_KEY`; none where mail stays in the local mailbox.
    pub resend_key: Option<SecretString>,
    /// `RESEND_API_BASE`
    pub resend_base: ApiBase,
    /// `RESEND_KEY_HOURS`
    pub resend_key_hours: KeyHours,
    /// `RESEND_WEBHOOK_SECRET`, each as the key that it stands for; none where no webhook is taken.
    pub resend_webhook_keys: Vec<SecretSlice<u8>>,
}

const ADDRESS_KEY: Setting = Setting::secret(
    "LEVQOR_ADDRESS_KEY",
    "Hashes mail addresses in keys that outlive a person; at least 32 bytes, and never changed: a new key forgets who \
     was written to.",
);
const MAIL_FROM: Setting = Setting::plain(
    "LEVQOR_MAIL_FROM",
    Some("Levqor <orders@levqor.ai>"),
    "Who mail to customers comes from.",
);
const SITE_URL: Setting = Setting::plain(
    "LEVQOR_SITE_URL",
    Some("https://www.levqor.ai"),
    "Where the website is; mails link to it.",
);

const RESEND_KEY: Setting = Setting::secret(
    "RESEND_API_KEY",
    "Key of Resend's API (`re_…`), or of a server that speaks it: mail goes out. Without it mail stays in the local mailbox.",
);
const RESEND_BASE: Setting =
    Setting::plain("RESEND_API_BASE", Some("https://api.resend.com"), "Base URL of Resend's API.");
const RESEND_KEY_HOURS: Setting = Setting::plain(
    "RESEND_KEY_HOURS",
    Some("24"),
    "For how many hours the server at RESEND_API_BASE honours an idempotency key: Resend 24. 0 for one that ignores them: \
     then a mail that it may have taken is never sent again by itself, but waits IN_DOUBT for a person.",
);

pub(crate) const RESEND_WEBHOOK_SECRET: Setting = Setting::secret(
    "RESEND_WEBHOOK_SECRET",
    "Signing secrets of the Resend webhook endpoint (`whsec_…`), separated by commas while one is being rolled. Without any, \
     `/webhooks/resend` takes nothing, and nobody learns of bounces and complaints.",
);

impl Config {
    /// Every setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let resend = [RESEND_KEY, RESEND_BASE, RESEND_KEY_HOURS, RESEND_WEBHOOK_SECRET];
        [ADDRESS_KEY, MAIL_FROM, SITE_URL].into_iter().chain(resend).collect()
    }

    /// Reads every setting and reports every mistake.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let address_key = address_key(reader);
        let sender = reader.defaulted(&MAIL_FROM, "an address, alone or as in `Levqor <orders@levqor.ai>`");
        let site = reader.defaulted(&SITE_URL, "an http(s) URL without a slash at its end");
        let resend_key = resend_key(reader);
        let resend_base = reader.defaulted(&RESEND_BASE, ApiBase::EXPECTED);
        let resend_key_hours = reader.defaulted(&RESEND_KEY_HOURS, "a number of hours, or 0");
        let resend_webhook_keys = resend_webhook_keys(reader);
        Some(Self {
            address_key: address_key?,
            sender: sender?,
            site: site?,
            resend_key,
            resend_base: resend_base?,
            resend_key_hours: resend_key_hours?,
            resend_webhook_keys,
        })
    }
}

/// Other servers with Resend's API have keys of other forms, so this refuses only characters that an HTTP header cannot hold.
fn resend_key(reader: &mut Reader<'_>) -> Option<SecretString> {
    let key = reader.secret(&RESEND_KEY)?;
    if !key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        reader.problem(&RESEND_KEY, "expected visible ASCII characters");
    }
    Some(key)
}

fn resend_webhook_keys(reader: &mut Reader<'_>) -> Vec<SecretSlice<u8>> {
    let secrets = reader.secrets(&RESEND_WEBHOOK_SECRET);
    let keys: Vec<_> = secrets.iter().filter_map(standard_key).collect();
    if keys.len() < secrets.len() {
        let expected = format!(
            "expected secrets that begin with whsec_ and go on in base64, of at least {LEAST_KEY_BYTES} bytes, separated by commas"
        );
        reader.problem(&RESEND_WEBHOOK_SECRET, expected);
    }
    keys
}

fn address_key(reader: &mut Reader<'_>) -> Option<AddressKey> {
    let key = reader.secret(&ADDRESS_KEY).and_then(|secret| AddressKey::try_new(&secret).ok());
    if key.is_none() {
        reader.problem(
            &ADDRESS_KEY,
            format!("expected a secret of at least {} bytes", AddressKey::LEAST_BYTES),
        );
    }
    key
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Problem, Problems};

    use super::*;

    const TWO_SECRETS: &str = "whsec_b25lIG9mIDE2IGJ5dGVzIQ==, whsec_YW5vdGhlciBvZiAxNiBieQ";
    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = Config::read(&mut reader);
        reader.finish(config)
    }

    #[test]
    fn only_the_key_has_to_be_set() {
        let config = read(&[("LEVQOR_ADDRESS_KEY", KEY)]).expect("a configuration");
        assert_eq!(config.sender.to_string(), "Levqor <orders@levqor.ai>");
        assert_eq!(config.site.to_string(), "https://www.levqor.ai");
        assert!(config.resend_key.is_none());
        assert_eq!(config.resend_base.as_str(), "https://api.resend.com/");
        assert_eq!(config.resend_key_hours.get(), 24);
        assert!(config.resend_webhook_keys.is_empty());
        let two = read(&[("LEVQOR_ADDRESS_KEY", KEY), ("RESEND_WEBHOOK_SECRET", TWO_SECRETS)]);
        assert_eq!(two.expect("a configuration").resend_webhook_keys.len(), 2);
    }

    #[test]
    fn every_mistake_is_named_at_once_and_no_secret_shown() {
        let Problems(problems) = read(&[
            ("LEVQOR_ADDRESS_KEY", "hunter2"),
            ("LEVQOR_MAIL_FROM", "Levqor"),
            ("LEVQOR_SITE_URL", "www.levqor.ai/"),
            ("RESEND_API_KEY", "re_hunter2 re_hunter2"),
            ("RESEND_API_BASE", "http://api.resend.com"),
            ("RESEND_KEY_HOURS", "a day"),
            ("RESEND_WEBHOOK_SECRET", "whsec_YQ=="),
        ])
        .err()
        .expect("mistakes");
        let named: Vec<_> = problems.iter().map(|Problem { setting, .. }| setting.as_str()).collect();
        let resend = ["RESEND_API_KEY", "RESEND_API_BASE", "RESEND_KEY_HOURS", "RESEND_WEBHOOK_SECRET"];
        let ours = ["LEVQOR_ADDRESS_KEY", "LEVQOR_MAIL_FROM", "LEVQOR_SITE_URL"];
        assert_eq!(named, [&ours[..], &resend].concat());
        let said = Problems(problems).to_string();
        assert!(said.contains("in base64, of at least 16 bytes"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("YQ=="), "{said}");
    }

    #[test]
    fn a_missing_key_is_a_mistake() {
        let Problems(problems) = read(&[]).err().expect("a mistake");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].setting, "LEVQOR_ADDRESS_KEY");
    }
}
