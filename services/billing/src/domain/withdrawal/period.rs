//! The 14 days of a withdrawal, as calendar days in London.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Europe::London;

/// How many days both rules give.
const DAYS: Days = Days::new(14);

/// When a period ends whose last day is a Saturday or a Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weekend {
    /// On that day.
    Counts,
    /// At the end of the next Monday (Regulation 1182/71, art. 3(4)).
    Prolongs,
}

/// The instant at which the 14 days after an event end. The day of the event is not counted (Regulation 1182/71, art. 3(1)), and
/// the last day is counted whole.
pub(super) fn end_of_14_days(event: DateTime<Utc>, weekend: Weekend) -> DateTime<Utc> {
    let day = event.with_timezone(&London).date_naive();
    let mut last = day.checked_add_days(DAYS).unwrap_or(NaiveDate::MAX);
    while weekend == Weekend::Prolongs && matches!(last.weekday(), Weekday::Sat | Weekday::Sun) {
        last = last.succ_opt().unwrap_or(NaiveDate::MAX);
    }
    let midnight = last.succ_opt().unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    // London's clocks change at 1 and 2 o'clock, so every midnight exists exactly once.
    London.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |end| end.to_utc())
}

/// A day as customers read it, such as `5 December 2026`.
pub(super) fn day_in_words(instant: DateTime<Utc>) -> String {
    instant.with_timezone(&London).format("%-d %B %Y").to_string()
}

/// The last day before a period ends, as customers read it.
pub(crate) fn last_day_in_words(end: DateTime<Utc>) -> String {
    format!("the end of {}", day_in_words(end - TimeDelta::seconds(1)))
}
