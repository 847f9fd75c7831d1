//! Settings of the rate limits.

use levqor_runtime::{
    access::RateClass,
    config::{Reader, Setting},
    rate::{CodeRate, Rate},
};

const DEFAULT: Setting = Setting::plain(
    "LEVQOR_RATE_DEFAULT",
    Some("300/60s"),
    "How many requests one caller may make in how many seconds, for RPCs without a class of their own. Staff may make ten times as many.",
);
const CHAT: Setting = Setting::plain(
    "LEVQOR_RATE_CHAT",
    Some("20/60s"),
    "How many requests one caller may make in how many seconds, for RPCs of the class CHAT (conversations).",
);
const HEAVY: Setting = Setting::plain(
    "LEVQOR_RATE_HEAVY",
    Some("6/60s"),
    "How many requests one caller may make in how many seconds, for RPCs of the class HEAVY (expensive ones).",
);

/// The rate limits of one caller.
#[derive(Debug, Clone, Copy)]
pub struct RatesConfig {
    /// `LEVQOR_RATE_LIMITS`: false if all limits are off.
    pub on: bool,
    /// `LEVQOR_RATE_DEFAULT`
    pub default: Rate,
    /// `LEVQOR_RATE_CHAT`
    pub chat: Rate,
    /// `LEVQOR_RATE_CODE`
    pub code: Rate,
    /// `LEVQOR_RATE_HEAVY`
    pub heavy: Rate,
}

impl RatesConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let [code, limits] = CodeRate::settings();
        vec![DEFAULT, CHAT, code, HEAVY, limits]
    }

    /// Reads the settings. Returns `None` only after it noted a problem.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [default, chat, heavy] =
            [DEFAULT, CHAT, HEAVY].map(|setting| reader.defaulted(&setting, Rate::EXPECTED));
        let CodeRate { on, rate: code } = CodeRate::read(reader)?;
        Some(Self { on, default: default?, chat: chat?, code, heavy: heavy? })
    }

    /// Describes the limits for people.
    pub(crate) fn describe(&self) -> String {
        let limits = RateClass::ALL.map(|class| format!("{} {}", class.as_str(), self.of(class)));
        format!("per caller: {}; staff ten times as many", limits.join(", "))
    }

    /// The rate of a class.
    #[must_use]
    pub(crate) fn of(&self, class: RateClass) -> Rate {
        match class {
            RateClass::Default => self.default,
            RateClass::Chat => self.chat,
            RateClass::Code => self.code,
            RateClass::Heavy => self.heavy,
        }
    }
}
