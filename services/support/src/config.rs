//! The settings of this service, parsed and validated before anything opens.

pub mod model;

use levqor_runtime::{
    config::{Reader, Setting},
    email::Email,
    inbound::InboundDomain,
    site::{SITE_URL, SiteUrl},
    storage::Place,
};

use self::model::ModelConfig;

/// The configuration.
pub struct Config {
    /// `LEVQOR_SITE_URL`
    pub site: SiteUrl,
    /// `LEVQOR_API_URL`
    pub api: SiteUrl,
    /// `LEVQOR_SUPPORT_EMAIL`
    pub support_email: Email,
    /// `LEVQOR_PRIVACY_EMAIL`
    pub privacy_email: Email,
    /// `LEVQOR_INBOUND_DOMAIN`; none if no mail is taken.
    pub inbound: Option<InboundDomain>,
    /// `LEVQOR_STORAGE_…`; none if no file is taken.
    pub storage: Option<Place>,
    /// The language model; none without `OPENAI_API_KEY`.
    pub model: Option<ModelConfig>,
}

/// Notifications reads the same setting.
const API_URL: Setting = Setting::plain(
    "LEVQOR_API_URL",
    Some("https://api.levqor.ai"),
    "Where recipients reach the gateway: mails link to its pages (preference centre, unsubscribing, confirmation).",
);
const SUPPORT_EMAIL: Setting = Setting::plain(
    "LEVQOR_SUPPORT_EMAIL",
    Some("support@levqor.ai"),
    "Where customers write to support, as help articles name it.",
);
const PRIVACY_EMAIL: Setting = Setting::plain(
    "LEVQOR_PRIVACY_EMAIL",
    Some("privacy@levqor.ai"),
    "Where people write about data protection, as help articles name it.",
);

impl Config {
    /// Every setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings = vec![SITE_URL, API_URL, SUPPORT_EMAIL, PRIVACY_EMAIL, InboundDomain::setting()];
        settings.extend(Place::settings());
        settings.extend(ModelConfig::settings());
        settings
    }

    /// Reads every setting and reports every mistake.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let site = SiteUrl::read(reader);
        let api = reader.defaulted(&API_URL, "an http(s) URL without a slash at its end");
        let support_email = reader.defaulted(&SUPPORT_EMAIL, "a mail address");
        let privacy_email = reader.defaulted(&PRIVACY_EMAIL, "a mail address");
        let (inbound, storage) = (InboundDomain::read(reader), Place::read(reader));
        let model = ModelConfig::read(reader);
        Some(Self {
            site: site?,
            api: api?,
            support_email: support_email?,
            privacy_email: privacy_email?,
            inbound,
            storage,
            model: model?,
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
        assert_eq!(config.site.to_string(), "https://www.levqor.ai");
        assert_eq!(config.support_email.as_str(), "support@levqor.ai");
        let wrong = [
            ("LEVQOR_SITE_URL", "levqor"),
            ("LEVQOR_SUPPORT_EMAIL", "a"),
            ("LEVQOR_PRIVACY_EMAIL", "b"),
            ("OPENAI_BASE_URL", "http://api.openai.com"),
            ("LEVQOR_AI_TIMEOUT_S", "9"),
            ("LEVQOR_AI_MAX_TOKENS", "1"),
        ];
        let Problems(problems) = read(&wrong).err().expect("mistakes");
        let named: Vec<_> = problems.iter().map(|Problem { setting, .. }| setting.as_str()).collect();
        let expected: Vec<_> = wrong.iter().map(|(name, _)| *name).collect();
        assert_eq!(named, expected);
        assert!(
            config.model.is_none()
                && read(&[("OPENAI_API_KEY", "k")]).is_ok_and(|config| config.model.is_some())
        );
    }
}
