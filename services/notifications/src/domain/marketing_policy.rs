//! When advertising may be sent: not at night in London, and not too often. The policy delays a mail; it never refuses one.

use std::str::FromStr;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Europe::London;

/// The rules, from the settings.
#[derive(Debug, Clone, Copy)]
pub struct MarketingPolicy {
    /// The hours in which advertising may be sent.
    pub hours: Hours,
    /// How many advertising mails one address gets at most in `WINDOW`.
    pub most: Most,
}

/// The time in which mails are counted.
pub const WINDOW: TimeDelta = TimeDelta::days(30);

/// The hours of a day in London: `9-20` is from 09:00 until before 20:00, `0-24` is the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u32,
    until: u32,
}

/// A number of mails, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most(pub i64);

/// The text is not a valid value of the setting.
#[derive(Debug, thiserror::Error)]
#[error("not a valid limit for advertising")]
pub struct NotAPolicy;

impl FromStr for Hours {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Self, NotAPolicy> {
        let (from, until) = text.split_once('-').ok_or(NotAPolicy)?;
        let hour = |text: &str| text.trim().parse::<u32>().map_err(|_| NotAPolicy);
        let (from, until) = (hour(from)?, hour(until)?);
        if from < until && until <= 24 { Ok(Self { from, until }) } else { Err(NotAPolicy) }
    }
}

impl FromStr for Most {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Self, NotAPolicy> {
        text.parse().ok().filter(|most| (1..=100).contains(most)).map(Self).ok_or(NotAPolicy)
    }
}

impl MarketingPolicy {
    /// When the next mail to an address may be sent. `None`: now. `earlier` is the time of the `most`-th newest mail to the
    /// address: the next mail must come at least `WINDOW` after it. `None` if the address has got fewer mails.
    #[must_use]
    pub fn not_before(&self, earlier: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let free = earlier.map_or(now, |earlier| now.max(earlier + WINDOW));
        let may = self.hours.next(free);
        (may > now).then_some(may)
    }
}

impl Hours {
    /// The first time at or after `time` that is within the hours.
    fn next(self, time: DateTime<Utc>) -> DateTime<Utc> {
        let local = time.with_timezone(&London).naive_local();
        let day = match local.hour() {
            hour if hour < self.from => local.date(),
            hour if hour < self.until => return time,
            _ => local.date().checked_add_days(Days::new(1)).unwrap_or(local.date()),
        };
        let from = NaiveTime::from_hms_opt(self.from, 0, 0).unwrap_or_default();
        // The clocks change between 01:00 and 02:00. Where an hour does not exist, the time after it is meant.
        let opened = London.from_local_datetime(&day.and_time(from)).earliest();
        opened.map_or(time + TimeDelta::hours(1), |opened| opened.with_timezone(&Utc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn policy() -> MarketingPolicy {
        MarketingPolicy { hours: "9-20".parse().expect("hours"), most: Most(4) }
    }

    #[test]
    fn no_advertising_is_sent_at_night_in_london() {
        for (now, expected) in [
            ("2026-01-15T08:59:59Z", Some("2026-01-15T09:00:00Z")),
            ("2026-01-15T09:00:00Z", None),
            ("2026-01-15T19:59:59Z", None),
            ("2026-01-15T20:00:00Z", Some("2026-01-16T09:00:00Z")),
            // Summer time: 09:00 in London is 08:00 UTC.
            ("2026-07-15T07:59:00Z", Some("2026-07-15T08:00:00Z")),
            ("2026-07-15T19:30:00Z", Some("2026-07-16T08:00:00Z")),
            // The night in which the clocks go forward.
            ("2026-03-28T23:00:00Z", Some("2026-03-29T08:00:00Z")),
        ] {
            assert_eq!(policy().not_before(None, at(now)), expected.map(at), "{now}");
        }
    }

    #[test]
    fn an_address_at_its_limit_waits_until_a_mail_is_30_days_old() {
        let now = at("2026-01-31T12:00:00Z");
        assert_eq!(
            policy().not_before(Some(at("2026-01-10T12:00:00Z")), now),
            Some(at("2026-02-09T12:00:00Z"))
        );
        assert_eq!(policy().not_before(Some(at("2025-12-31T12:00:00Z")), now), None, "30 days ago");
        // If the limit allows the next mail at night, it is sent in the morning.
        assert_eq!(
            policy().not_before(Some(at("2026-01-10T23:00:00Z")), now),
            Some(at("2026-02-10T09:00:00Z"))
        );
    }

    #[test]
    fn hours_begin_and_end_within_one_day() {
        for text in ["", "9", "20-9", "9-9", "9-25", "a-b"] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
        let always = MarketingPolicy { hours: "0-24".parse().expect("hours"), ..policy() };
        assert_eq!(always.not_before(None, at("2026-01-15T23:59:59Z")), None);
        for text in ["0", "-1", "101", "many"] {
            assert!(text.parse::<Most>().is_err(), "{text}");
        }
    }
}
