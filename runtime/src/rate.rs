//! Rates: how many calls one caller may make within a window of time. The gateway counts the calls of every class. Each service
//! also counts those that guard codes (`code_limit`), so both read the rate of that class here.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::{
    config::{Reader, Setting},
    telemetry::TelemetryConfig,
};

const CODE: Setting = Setting::plain(
    "LEVQOR_RATE_CODE",
    Some("5/900s"),
    "How many requests one caller may make in how many seconds, for RPCs of the class CODE, which guard codes and passwords. Their service counts them too, in its database, for all replicas.",
);
const LIMITS: Setting = Setting::plain(
    "LEVQOR_RATE_LIMITS",
    Some("on"),
    "`off` lifts every rate limit, for load tests. Refused where LEVQOR_ENVIRONMENT is `production`.",
);

const MOST_REQUESTS: u32 = 1_000_000;
const MOST_SECONDS: u64 = 86_400;
/// The factor of the limits for staff.
const STAFF: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

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

impl Rate {
    /// The expected form of a setting with a rate.
    pub const EXPECTED: &'static str =
        "requests and seconds, such as 300/60s; at most 1000000 requests and 86400 s";

    /// The rate of staff: ten times as many requests.
    #[must_use]
    pub const fn of_staff(self) -> Self {
        Self { requests: self.requests.saturating_mul(STAFF), window: self.window }
    }
}

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

/// The limit of the RPCs that guard codes.
#[derive(Debug, Clone, Copy)]
pub struct CodeRate {
    /// `LEVQOR_RATE_LIMITS`: false if all limits are off.
    pub on: bool,
    /// `LEVQOR_RATE_CODE`
    pub rate: Rate,
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

impl CodeRate {
    /// The settings: of the rate, and of all limits.
    #[must_use]
    pub fn settings() -> [Setting; 2] {
        [CODE, LIMITS]
    }

    /// Reads the settings. Returns none only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let rate = reader.defaulted(&CODE, Rate::EXPECTED);
        let Switch(on) = reader.defaulted(&LIMITS, "`on` or `off`").unwrap_or(Switch(true));
        if !on && TelemetryConfig::is_production(reader) {
            reader.problem(&LIMITS, "cannot be `off` where LEVQOR_ENVIRONMENT is `production`");
        }
        Some(Self { on, rate: rate? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

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

    fn read(pairs: &[(&str, &str)]) -> Result<CodeRate, String> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = CodeRate::read(&mut reader);
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
