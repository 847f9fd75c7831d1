//! Settings of the rate limits.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use levqor_runtime::{
    access::RateClass,
    config::{Reader, Setting},
    telemetry::TelemetryConfig,
};

const DEFAULT: Setting = Setting::plain(
    "LEVQOR_RATE_DEFAULT",
    Some("300/60s"),
    "How many requests one caller may make in which time, over all RPCs that belong to no other class. Staff may make ten times as many.",
);
const CHAT: Setting =
    Setting::plain("LEVQOR_RATE_CHAT", Some("20/60s"), "The same for RPCs of the class CHAT: conversations.");
const CODE: Setting = Setting::plain(
    "LEVQOR_RATE_CODE",
    Some("5/900s"),
    "The same for RPCs of the class CODE: those that guard codes and passwords.",
);
const HEAVY: Setting = Setting::plain(
    "LEVQOR_RATE_HEAVY",
    Some("6/60s"),
    "The same for RPCs of the class HEAVY: those that cost much.",
);
const LIMITS: Setting = Setting::plain(
    "LEVQOR_RATE_LIMITS",
    Some("on"),
    "`off` lifts every rate limit, for load tests. Refused where LEVQOR_ENVIRONMENT is `production`.",
);

const EXPECTED: &str = "requests and seconds, such as 300/60s; at most 1000000 requests and 86400 s";
const MOST_REQUESTS: u32 = 1_000_000;
const MOST_SECONDS: u64 = 86_400;

/// A number of requests per window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests.
    pub requests: NonZeroU32,
    /// The length of the window.
    pub window: Duration,
}

/// The text is not a rate.
#[derive(Debug, thiserror::Error)]
#[error("not a rate such as 300/60s")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (requests, window) = text.split_once('/').ok_or(NotARate)?;
        let requests: NonZeroU32 = requests.trim().parse().map_err(|_| NotARate)?;
        let seconds: u64 =
            window.trim().strip_suffix('s').and_then(|text| text.parse().ok()).ok_or(NotARate)?;
        if requests.get() > MOST_REQUESTS || !(1..=MOST_SECONDS).contains(&seconds) {
            return Err(NotARate);
        }
        Ok(Self { requests, window: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}s", self.requests, self.window.as_secs())
    }
}

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

/// `on` or `off`.
struct Switch(bool);

impl FromStr for Switch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "on" => Ok(Self(true)),
            "off" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

impl RatesConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![DEFAULT, CHAT, CODE, HEAVY, LIMITS]
    }

    /// Reads the settings. Returns `None` only after it noted a problem.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [default, chat, code, heavy] =
            [DEFAULT, CHAT, CODE, HEAVY].map(|setting| reader.defaulted(&setting, EXPECTED));
        let Switch(on) = reader.defaulted(&LIMITS, "`on` or `off`").unwrap_or(Switch(true));
        if !on && TelemetryConfig::is_production(reader) {
            reader.problem(&LIMITS, "cannot be `off` where LEVQOR_ENVIRONMENT is `production`");
        }
        Some(Self { on, default: default?, chat: chat?, code: code?, heavy: heavy? })
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

#[cfg(test)]
mod tests {
    use levqor_runtime::config::Env;

    use super::*;

    #[test]
    fn a_rate_says_how_many_in_which_time_or_is_refused() {
        for rate in ["300/60s", "1/1s", "1000000/86400s"] {
            assert_eq!(rate.parse::<Rate>().expect(rate).to_string(), rate);
        }
        for wrong in
            ["300", "0/60s", "300/0s", "300/60", "300/1m", "-1/60s", "1000001/60s", "1/86401s", "/s", "off"]
        {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<RatesConfig, String> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = RatesConfig::read(&mut reader);
        reader.finish(config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn limits_cannot_be_lifted_in_production() {
        assert!(read(&[]).expect("defaults").on);
        assert!(!read(&[("LEVQOR_RATE_LIMITS", "off")]).expect("lifted").on);
        let refused = read(&[("LEVQOR_RATE_LIMITS", "off"), ("LEVQOR_ENVIRONMENT", "production")]);
        assert!(refused.is_err_and(|problems| problems.contains("LEVQOR_RATE_LIMITS")));
    }
}
