//! Settings of billing, read and checked in full before any socket or pool opens.

mod preview_version;
mod prices;
mod shop;

use levqor_runtime::{
    client::ApiBase,
    config::{Reader, Setting},
    site::{SITE_URL, SiteUrl},
    storage::Place,
};
use secrecy::{ExposeSecret, SecretString};

use self::preview_version::REDACTION_VERSION;
pub(crate) use self::{
    preview_version::PreviewVersion,
    prices::Prices,
    shop::{PageUrl, Shop},
};
use crate::{domain::stripe_event::ActsOn, stripe::livemode_of};

pub(crate) const WEBHOOK_SECRET: Setting = Setting::secret(
    "STRIPE_WEBHOOK_SECRET",
    "Signing secrets of the Stripe webhook endpoint (`whsec_…`), separated by commas while one is being rolled.",
);
const SECRET_KEY: Setting = Setting::secret(
    "STRIPE_SECRET_KEY",
    "Key of the Stripe API (`sk_…`, or a restricted `rk_…`). Without it orders follow the events' own objects, and nothing can be sold.",
);
const API_BASE: Setting =
    Setting::plain("STRIPE_API_BASE", Some("https://api.stripe.com"), "Base URL of the Stripe API.");

const LIVEMODE: Setting = Setting::plain(
    "LEVQOR_STRIPE_LIVEMODE",
    Some("true"),
    "Which Stripe events billing acts on without STRIPE_SECRET_KEY: `true` those of live mode, `false` those of test mode, `both` all. It journals and ignores the others. With a key, the key's mode decides. Where it is not set, `levqor up` acts on both, unless LEVQOR_ENVIRONMENT is `production`.",
);

const PROMOTION_CODE: Setting = Setting::plain(
    "LEVQOR_UPSELL_PROMOTION_CODE",
    None,
    "Stripe's promotion code of the offer to Starter customers, £150 off Professional: 1 to 100 letters, digits and characters of `_-`. Without it nothing is offered.",
);

/// The configuration of billing.
pub struct Config {
    /// `STRIPE_WEBHOOK_SECRET`: at least one.
    pub(crate) webhook_secrets: Vec<SecretString>,
    /// `STRIPE_SECRET_KEY`.
    pub(crate) secret_key: Option<SecretString>,
    /// The modes whose events billing acts on: the key's mode, or `LEVQOR_STRIPE_LIVEMODE` without a key.
    pub(crate) acts_on: ActsOn,
    /// `STRIPE_API_BASE`.
    pub(crate) api_base: ApiBase,
    /// `LEVQOR_STRIPE_REDACTION_VERSION`.
    pub(crate) redaction_version: Option<PreviewVersion>,
    /// `LEVQOR_UPSELL_PROMOTION_CODE`.
    pub(crate) promotion_code: Option<String>,
    /// `LEVQOR_SITE_URL`.
    pub(crate) site: SiteUrl,
    /// `LEVQOR_STORAGE_…`.
    pub(crate) storage: Option<Place>,
    /// `STRIPE_PRICE_…`: the prices that are set.
    pub(crate) prices: Prices,
    /// The settings of the shop.
    pub(crate) shop: Shop,
}

/// Every setting, for `.env.example`.
pub(crate) fn settings() -> Vec<Setting> {
    let mut settings =
        vec![WEBHOOK_SECRET, SECRET_KEY, LIVEMODE, API_BASE, REDACTION_VERSION, PROMOTION_CODE, SITE_URL];
    settings.extend(Place::settings());
    settings.extend(prices::settings());
    settings.extend(shop::settings());
    settings
}

/// Reads the settings. Returns `None` only after it noted the mistakes.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Config> {
    let webhook_secrets = webhook_secrets(reader);
    let secret_key = secret_key(reader);
    let livemode = reader.defaulted(&LIVEMODE, "true, false or both");
    let of_key = secret_key.as_ref().map(|key| ActsOn::Only(livemode_of(key)));
    let acts_on = livemode.map(|livemode| of_key.unwrap_or(livemode));
    let api_base = reader.defaulted(&API_BASE, ApiBase::EXPECTED);
    let redaction_version = reader.optional(&REDACTION_VERSION, PreviewVersion::EXPECTED);
    let promotion_code = promotion_code(reader);
    let prices = prices::read(reader);
    let (site, storage) = (SiteUrl::read(reader), Place::read(reader));
    let shop = shop::read(reader);
    Some(Config {
        webhook_secrets: webhook_secrets?,
        secret_key,
        acts_on: acts_on?,
        api_base: api_base?,
        redaction_version,
        promotion_code,
        prices: prices?,
        site: site?,
        storage,
        shop: shop?,
    })
}

/// The code is part of a mail and of a query, so it has only plain characters.
fn promotion_code(reader: &mut Reader<'_>) -> Option<String> {
    let code: String = reader.optional(&PROMOTION_CODE, "a promotion code")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if code.len() > 100 || !code.bytes().all(plain) {
        reader.problem(&PROMOTION_CODE, "expected 1 to 100 letters, digits and characters of `_-`");
    }
    Some(code)
}

fn webhook_secrets(reader: &mut Reader<'_>) -> Option<Vec<SecretString>> {
    let secrets = reader.secrets(&WEBHOOK_SECRET);
    let genuine =
        |secret: &SecretString| secret.expose_secret().len() > "whsec_".len() && starts(secret, "whsec_");
    if secrets.is_empty() {
        reader.problem(&WEBHOOK_SECRET, "is not set; expected one or more secrets that begin with whsec_");
        None
    } else if !secrets.iter().all(genuine) {
        reader.problem(&WEBHOOK_SECRET, "expected secrets that begin with whsec_, separated by commas");
        None
    } else {
        Some(secrets)
    }
}

fn secret_key(reader: &mut Reader<'_>) -> Option<SecretString> {
    let key = reader.secret(&SECRET_KEY)?;
    let printable = |key: &SecretString| key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
    let genuine = |key: &SecretString| (starts(key, "sk_") || starts(key, "rk_")) && printable(key);
    if !genuine(&key) {
        reader.problem(&SECRET_KEY, "expected a secret key that begins with sk_ or rk_");
    }
    Some(key)
}

fn starts(secret: &SecretString, prefix: &str) -> bool {
    secret.expose_secret().starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use levqor_runtime::config::Env;

    fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = read(&mut reader);
        let problems = reader.finish(config).err();
        problems.map(|p| p.0.into_iter().map(|problem| problem.setting).collect()).unwrap_or_default()
    }

    #[test]
    fn one_secret_is_enough() {
        assert!(mistakes(&[("STRIPE_WEBHOOK_SECRET", "whsec_a")]).is_empty());
        let all = [
            ("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b"),
            ("STRIPE_SECRET_KEY", "rk_test_1"),
            ("STRIPE_API_BASE", "http://127.0.0.1:12111"),
        ];
        assert!(mistakes(&all).is_empty());
    }

    #[test]
    fn the_keys_mode_decides_and_without_a_key_live_mode() {
        let acts_on = |pairs: &[(&str, &str)]| {
            let env = Env::from_pairs([&[("STRIPE_WEBHOOK_SECRET", "whsec_a")], pairs].concat());
            let mut reader = Reader::new(&env);
            let config = read(&mut reader);
            reader.finish(config).expect("settings").acts_on
        };
        let key = |key| ("STRIPE_SECRET_KEY", key);
        let set = |livemode| ("LEVQOR_STRIPE_LIVEMODE", livemode);
        for (pairs, live, test) in [
            (&[][..], true, false),
            (&[set("true")], true, false),
            (&[set("false")], false, true),
            (&[set("both")], true, true),
            (&[key("sk_test_1")], false, true),
            (&[key("rk_test_1"), set("true")], false, true),
            (&[key("sk_live_1")], true, false),
            (&[key("rk_live_1"), set("both")], true, false),
            (&[key("sk_1")], true, false),
        ] {
            let acts_on = acts_on(pairs);
            assert_eq!((acts_on.includes(true), acts_on.includes(false)), (live, test), "{pairs:?}");
        }
        assert_eq!(
            mistakes(&[("STRIPE_WEBHOOK_SECRET", "whsec_a"), set("maybe")]),
            ["LEVQOR_STRIPE_LIVEMODE"]
        );
    }

    #[test]
    fn every_mistake_is_named_in_one_run() {
        assert_eq!(mistakes(&[]), ["STRIPE_WEBHOOK_SECRET"]);
        let all = [
            ("STRIPE_WEBHOOK_SECRET", "whsec_a,hunter2"),
            ("STRIPE_SECRET_KEY", "pk_test_1"),
            ("STRIPE_API_BASE", "http://example.com"),
        ];
        assert_eq!(mistakes(&all), ["STRIPE_WEBHOOK_SECRET", "STRIPE_SECRET_KEY", "STRIPE_API_BASE"]);
    }
}
