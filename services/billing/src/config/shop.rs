//! The settings of the shop: where buyers come back to, which terms they accept, and how tax is worked out.

use std::str::FromStr;

use levqor_runtime::config::{Reader, Setting};

const SUCCESS_URL: Setting = Setting::plain(
    "CHECKOUT_SUCCESS_URL",
    Some("https://www.levqor.ai/success?session_id={CHECKOUT_SESSION_ID}"),
    "Where Stripe sends a buyer who has paid. `{CHECKOUT_SESSION_ID}` becomes Stripe's id of the session.",
);
const CANCEL_URL: Setting = Setting::plain(
    "CHECKOUT_CANCEL_URL",
    Some("https://www.levqor.ai/cancel"),
    "Where Stripe sends a buyer who cancels the checkout.",
);
const PORTAL_RETURN_URL: Setting = Setting::plain(
    "LEVQOR_PORTAL_RETURN_URL",
    Some("https://www.levqor.ai/billing"),
    "Where Stripe's billing portal sends customers back to.",
);
const TERMS_VERSION: Setting = Setting::plain(
    "LEVQOR_TERMS_VERSION",
    None,
    "The version of the terms that buyers accept at checkout, such as `2026-11-01`. Without it nothing can be bought.",
);
const AUTOMATIC_TAX: Setting = Setting::plain(
    "LEVQOR_AUTOMATIC_TAX",
    Some("false"),
    "`true`: Stripe Tax works out the tax of each checkout. It has to be set up at Stripe first.",
);
const WEBHOOK_URL: Setting = Setting::plain(
    "LEVQOR_STRIPE_WEBHOOK_URL",
    None,
    "The URL under which Stripe reaches this mesh, as it is registered at Stripe: https://…/webhooks/stripe. `levqor doctor` asks Stripe whether an enabled endpoint has it, and subscribes to every type of event that has an effect.",
);

/// The settings of the shop.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) success_url: PageUrl,
    pub(crate) cancel_url: PageUrl,
    pub(crate) portal_return_url: PageUrl,
    pub(crate) terms_version: Option<TermsVersion>,
    pub(crate) automatic_tax: bool,
    pub(crate) webhook_url: Option<PageUrl>,
}

pub(super) fn settings() -> Vec<Setting> {
    vec![SUCCESS_URL, CANCEL_URL, PORTAL_RETURN_URL, TERMS_VERSION, AUTOMATIC_TAX, WEBHOOK_URL]
}

/// Reads the settings. Returns `None` only after it noted a problem.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Shop> {
    let success_url = reader.defaulted(&SUCCESS_URL, PageUrl::EXPECTED);
    let cancel_url = reader.defaulted(&CANCEL_URL, PageUrl::EXPECTED);
    let portal_return_url = reader.defaulted(&PORTAL_RETURN_URL, PageUrl::EXPECTED);
    let terms_version = reader.optional(&TERMS_VERSION, TermsVersion::EXPECTED);
    let automatic_tax = reader.defaulted(&AUTOMATIC_TAX, "true or false");
    let webhook_url = reader.optional(&WEBHOOK_URL, PageUrl::EXPECTED);
    Some(Shop {
        success_url: success_url?,
        cancel_url: cancel_url?,
        portal_return_url: portal_return_url?,
        terms_version,
        automatic_tax: automatic_tax?,
        webhook_url,
    })
}

/// The address of a page that a browser goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageUrl(String);

impl PageUrl {
    const EXPECTED: &str = "an https URL, or http to this machine";

    /// The address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not the address of a page, or not a version.
#[derive(Debug)]
pub(crate) struct Malformed;

impl FromStr for PageUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let host = text.strip_prefix("https://").or_else(|| {
            let here = ["127.0.0.1", "localhost", "[::1]"];
            text.strip_prefix("http://").filter(|rest| here.iter().any(|host| rest.starts_with(host)))
        });
        let plain = |c: char| c.is_ascii_graphic() && !"<>\"\\^`|".contains(c);
        let fits = host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
        if fits && text.len() <= 2000 && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed)
        }
    }
}

/// A version of the terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TermsVersion(String);

impl TermsVersion {
    const EXPECTED: &str = "a name of 1 to 64 letters, digits, dots, dashes and underscores";

    /// The version's name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TermsVersion {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_a_browser_may_be_sent_to_are_accepted() {
        for good in
            ["https://www.levqor.ai/success?session_id={CHECKOUT_SESSION_ID}", "http://127.0.0.1:3000/ok"]
        {
            assert!(good.parse::<PageUrl>().is_ok(), "{good}");
        }
        for bad in ["", "http://example.com/", "javascript:alert(1)", "https:///x", "https://a b", "/success"]
        {
            assert!(bad.parse::<PageUrl>().is_err(), "{bad}");
        }
        assert!("2026-11-01".parse::<TermsVersion>().is_ok());
        assert!("".parse::<TermsVersion>().is_err() && "a b".parse::<TermsVersion>().is_err());
    }
}
