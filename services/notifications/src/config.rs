//! The settings of this service, parsed and validated before anything opens.

pub(crate) mod endpoint;
pub mod mail;
pub mod operators;

use std::net::SocketAddr;

use levqor_runtime::{
    address::ADDRESS_KEY,
    config::{Reader, Setting},
    inbound::InboundDomain,
    site::{SITE_URL, SiteUrl},
    webhook::{LEAST_KEY_BYTES, standard_key},
};
use secrecy::SecretSlice;

use self::{mail::MailConfig, operators::OperatorsConfig};
use crate::domain::{
    address::AddressKey, mail_records::DkimSelector, marketing_policy::MarketingPolicy, text::Line,
};

/// The configuration.
pub struct Config {
    /// `LEVQOR_ADDRESS_KEY`
    pub address_key: AddressKey,
    /// The senders and the providers.
    pub mail: MailConfig,
    /// `LEVQOR_SITE_URL`
    pub site: SiteUrl,
    /// `LEVQOR_API_URL`
    pub api: SiteUrl,
    /// `LEVQOR_MARKETING_HOURS`, `LEVQOR_MARKETING_PER_MONTH`
    pub marketing: MarketingPolicy,
    /// `LEVQOR_COMPANY_ADDRESS`
    pub company_address: Line,
    /// `LEVQOR_DKIM_SELECTOR`
    pub dkim_selector: DkimSelector,
    /// `LEVQOR_DNS_SERVER`; none: the machine's DNS.
    pub dns_server: Option<SocketAddr>,
    /// `RESEND_WEBHOOK_SECRET`, each decoded to its key; none if no webhook is taken.
    pub resend_webhook_keys: Vec<SecretSlice<u8>>,
    /// `LEVQOR_INBOUND_DOMAIN`; none if no mail is taken.
    pub inbound_domain: Option<InboundDomain>,
    /// The operators' channels.
    pub operators: OperatorsConfig,
}

const API_URL: Setting = Setting::plain(
    "LEVQOR_API_URL",
    Some("https://api.levqor.ai"),
    "Where recipients reach the gateway: mails link to its pages (preference centre, unsubscribing, confirmation).",
);
const MARKETING_HOURS: Setting = Setting::plain(
    "LEVQOR_MARKETING_HOURS",
    Some("9-20"),
    "Hours in London in which advertising may go out, from and until; other mail goes at any time.",
);
const MARKETING_PER_MONTH: Setting = Setting::plain(
    "LEVQOR_MARKETING_PER_MONTH",
    Some("4"),
    "How many advertising mails one address gets at most in 30 days; the next one waits.",
);
const COMPANY_ADDRESS: Setting = Setting::plain(
    "LEVQOR_COMPANY_ADDRESS",
    Some("Levqor, United Kingdom"),
    "The company's name and postal address, on one line, as each mail shows it. Advertising needs the whole address.",
);

const DKIM_SELECTOR: Setting = Setting::plain(
    "LEVQOR_DKIM_SELECTOR",
    Some("resend"),
    "The selector of the provider's key of DKIM, `<selector>._domainkey.<domain>`: `levqor doctor` looks whether it is there.",
);
const DNS_SERVER: Setting = Setting::plain(
    "LEVQOR_DNS_SERVER",
    None,
    "The DNS server that `levqor doctor` asks for the records of the senders' domains, as `192.0.2.1:53`. Without it, the machine's.",
);

pub(crate) const RESEND_WEBHOOK_SECRET: Setting = Setting::secret(
    "RESEND_WEBHOOK_SECRET",
    "Signing secrets of the Resend webhook endpoint (`whsec_…`), separated by commas while one is being rolled. Without any, \
     `/webhooks/resend` refuses every event, and bounces and complaints become known late or not at all.",
);

impl Config {
    /// Every setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings =
            vec![ADDRESS_KEY, SITE_URL, API_URL, MARKETING_HOURS, MARKETING_PER_MONTH, COMPANY_ADDRESS];
        settings.extend(MailConfig::settings());
        settings.extend([RESEND_WEBHOOK_SECRET, InboundDomain::setting(), DKIM_SELECTOR, DNS_SERVER]);
        settings.extend(OperatorsConfig::settings());
        settings
    }

    /// Reads every setting and reports every mistake.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let address_key = address_key(reader);
        let site = SiteUrl::read(reader);
        let api = reader.defaulted(&API_URL, "an http(s) URL without a slash at its end");
        let hours = reader.defaulted(&MARKETING_HOURS, "two hours of a day, such as 9-20");
        let most = reader.defaulted(&MARKETING_PER_MONTH, "a number from 1 to 100");
        let company_address = reader.defaulted(&COMPANY_ADDRESS, Line::EXPECTED);
        let mail = MailConfig::read(reader);
        let resend_webhook_keys = resend_webhook_keys(reader);
        let inbound_domain = InboundDomain::read(reader);
        let operators = OperatorsConfig::read(reader);
        let dkim_selector = reader.defaulted(&DKIM_SELECTOR, DkimSelector::EXPECTED);
        let dns_server = reader.optional(&DNS_SERVER, "an address with a port, `192.0.2.1:53`");
        Some(Self {
            address_key: address_key?,
            site: site?,
            api: api?,
            marketing: MarketingPolicy { hours: hours?, most: most? },
            company_address: company_address?,
            mail: mail?,
            dkim_selector: dkim_selector?,
            dns_server,
            resend_webhook_keys,
            inbound_domain,
            operators: operators?,
        })
    }
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

    use super::{mail::ProviderName, *};

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
        let mail = &config.mail;
        assert_eq!(mail.senders.common().to_string(), "Levqor <orders@levqor.ai>");
        assert_eq!(mail.order, [ProviderName::Mailbox]);
        assert_eq!(config.site.to_string(), "https://www.levqor.ai");
        assert!(mail.resend_key.is_none() && mail.smtp_url.is_none());
        assert!(mail.senders.reply_to(levqor_proto_mail::v1::Sender::Billing).is_none());
        assert_eq!(mail.resend_base.as_str(), "https://api.resend.com/");
        assert_eq!(mail.resend_key_hours.get(), 24);
        assert!(config.resend_webhook_keys.is_empty());
        let two = read(&[("LEVQOR_ADDRESS_KEY", KEY), ("RESEND_WEBHOOK_SECRET", TWO_SECRETS)]);
        assert_eq!(two.expect("a configuration").resend_webhook_keys.len(), 2);
    }

    #[test]
    fn every_mistake_is_named_at_once_and_no_secret_shown() {
        let Problems(problems) = read(&[
            ("LEVQOR_ADDRESS_KEY", "hunter2"),
            ("LEVQOR_SITE_URL", "www.levqor.ai/"),
            ("LEVQOR_COMPANY_ADDRESS", "Levqor\nLondon"),
            ("LEVQOR_MAIL_FROM", "Levqor"),
            ("LEVQOR_MAIL_FROM_BILLING", "Levqor"),
            ("LEVQOR_MAIL_REPLY_TO", "Levqor"),
            ("LEVQOR_MAIL_REPLY_TO_BILLING", "Levqor"),
            ("RESEND_API_KEY", "re_hunter2 re_hunter2"),
            ("RESEND_API_BASE", "http://api.resend.com"),
            ("RESEND_KEY_HOURS", "a day"),
            ("RESEND_RATE", "fast"),
            ("SMTP_URL", "smtp://mail.example.com?password=hunter2"),
            ("SMTP_RATE", "-1"),
            ("LEVQOR_MAIL_PROVIDERS", "resend,post"),
            ("RESEND_WEBHOOK_SECRET", "whsec_YQ=="),
            ("LEVQOR_DKIM_SELECTOR", "a b"),
            ("LEVQOR_DNS_SERVER", "dns"),
        ])
        .err()
        .expect("mistakes");
        let named: Vec<_> = problems.iter().map(|Problem { setting, .. }| setting.as_str()).collect();
        let expected = "LEVQOR_ADDRESS_KEY LEVQOR_SITE_URL LEVQOR_COMPANY_ADDRESS LEVQOR_MAIL_FROM LEVQOR_MAIL_FROM_BILLING \
                        LEVQOR_MAIL_REPLY_TO LEVQOR_MAIL_REPLY_TO_BILLING RESEND_API_KEY RESEND_API_BASE RESEND_KEY_HOURS \
                        RESEND_RATE SMTP_URL SMTP_RATE LEVQOR_MAIL_PROVIDERS RESEND_WEBHOOK_SECRET LEVQOR_DKIM_SELECTOR \
                        LEVQOR_DNS_SERVER";
        assert_eq!(named.join(" "), expected);
        let said = Problems(problems).to_string();
        assert!(said.contains("in base64, of at least 16 bytes"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("YQ=="), "{said}");
    }

    #[test]
    fn the_providers_that_are_set_up_are_tried_in_order_and_no_other() {
        use ProviderName::{Mailbox, Resend, Smtp};

        let order = |pairs: &[(&str, &str)]| {
            let mut all = vec![("LEVQOR_ADDRESS_KEY", KEY)];
            all.extend(pairs);
            read(&all).ok().map(|config| config.mail.order)
        };
        let (resend, smtp) = (("RESEND_API_KEY", "re_1"), ("SMTP_URL", "smtps://u:p@mail.example.com"));
        let list = |names: &'static str| ("LEVQOR_MAIL_PROVIDERS", names);
        assert_eq!(order(&[resend]), Some(vec![Resend]));
        assert_eq!(order(&[smtp]), Some(vec![Smtp]));
        assert_eq!(order(&[resend, smtp]), Some(vec![Resend, Smtp]));
        assert_eq!(order(&[resend, smtp, list("smtp, resend")]), Some(vec![Smtp, Resend]));
        assert_eq!(order(&[resend, smtp, list("smtp")]), Some(vec![Smtp]));
        assert_eq!(order(&[resend, list("mailbox")]), Some(vec![Mailbox]));
        for wrong in ["smtp", "resend,resend", "resend,mailbox", "resend,"] {
            assert_eq!(order(&[resend, list(wrong)]), None, "{wrong}");
        }
    }

    #[test]
    fn each_kind_of_sender_may_have_a_sender_of_its_own() {
        let own = ("LEVQOR_MAIL_FROM_BILLING", "Levqor Billing <billing@levqor.ai>");
        let config = read(&[("LEVQOR_ADDRESS_KEY", KEY), own]).expect("a configuration");
        let of = |kind| config.mail.senders.of(kind).address.as_str().to_owned();
        assert_eq!(of(levqor_proto_mail::v1::Sender::Billing), "billing@levqor.ai");
        assert_eq!(of(levqor_proto_mail::v1::Sender::Support), "orders@levqor.ai");
        assert_eq!(config.mail.senders.iter().count(), 2);
    }

    #[test]
    fn replies_to_each_kind_of_mail_may_go_to_an_address_of_its_own() {
        use levqor_proto_mail::v1::Sender::{Billing, Support};

        let common = ("LEVQOR_MAIL_REPLY_TO", "help@levqor.ai");
        let own = ("LEVQOR_MAIL_REPLY_TO_BILLING", "billing@levqor.ai");
        let key = ("LEVQOR_ADDRESS_KEY", KEY);
        let of = |pairs: &[(&str, &str)], kind| {
            let config = read(pairs).expect("a configuration");
            config.mail.senders.reply_to(kind).map(|address| address.as_str().to_owned())
        };
        assert_eq!(of(&[key, common, own], Billing).as_deref(), Some("billing@levqor.ai"));
        assert_eq!(of(&[key, common, own], Support).as_deref(), Some("help@levqor.ai"));
        assert_eq!(of(&[key, own], Support), None);
    }

    #[test]
    fn a_missing_key_is_a_mistake() {
        let Problems(problems) = read(&[]).err().expect("a mistake");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].setting, "LEVQOR_ADDRESS_KEY");
    }
}
