//! The hours in which support works: Monday to Friday, 9 to 18 in London, without the bank holidays of England and Wales.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Europe::London;

/// When support opens.
pub(crate) const OPENING_HOUR: u32 = 9;
/// When support closes.
pub(crate) const CLOSING_HOUR: u32 = 18;
/// More days than any time that is promised, and than any ticket stays open: a loop over days ends.
const MOST_DAYS: u64 = 3_660;

/// The business hours.
#[derive(Debug, Clone)]
pub(crate) struct BusinessHours {
    holidays: BTreeSet<NaiveDate>,
}

/// A line of the bank holidays is not `2026-12-25,Christmas Day`.
#[derive(Debug, thiserror::Error)]
#[error("line {first} of the bank holidays does not begin with a date")]
pub(crate) struct NotAHoliday {
    first: usize,
}

impl BusinessHours {
    /// Reads the bank holidays: lines of a date and a name, under the head `date,name`. Lines that begin with `#` are comments.
    pub(crate) fn read(holidays: &str) -> Result<Self, NotAHoliday> {
        let is_holiday =
            |line: &str| !line.trim().is_empty() && !line.starts_with('#') && line != "date,name";
        let lines = holidays.lines().enumerate().filter(|(_, line)| is_holiday(line));
        let date = |(at, line): (usize, &str)| {
            let date = line.split(',').next().unwrap_or_default().trim();
            date.parse().map_err(|_| NotAHoliday { first: at + 1 })
        };
        Ok(Self { holidays: lines.map(date).collect::<Result<_, _>>()? })
    }

    /// The last bank holiday that is known. After that year, the closed days of support are not known.
    pub(crate) fn last_holiday(&self) -> Option<NaiveDate> {
        self.holidays.last().copied()
    }

    /// The business hours of a day in London. `None` if support is closed.
    fn of_day(&self, date: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let is_weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
        if is_weekend || self.holidays.contains(&date) {
            return None;
        }
        let at = |hour| {
            let local = date.and_time(NaiveTime::from_hms_opt(hour, 0, 0)?);
            // The time changes at night, so each business hour exists once.
            London.from_local_datetime(&local).earliest().map(|time| time.with_timezone(&Utc))
        };
        at(OPENING_HOUR).zip(at(CLOSING_HOUR))
    }

    /// The business time between two instants. None if the second is not later.
    pub(crate) fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        let last = day_of(to);
        let days = (0..MOST_DAYS).map_while(|days| day_of(from).checked_add_days(Days::new(days)));
        let hours = days.take_while(|date| *date <= last).filter_map(|date| self.of_day(date));
        let within = hours.map(|(opening, closing)| closing.min(to) - opening.max(from));
        within.filter(|time| *time > TimeDelta::zero()).sum()
    }

    /// The instant at which this much business time has passed.
    pub(crate) fn after(&self, from: DateTime<Utc>, time: TimeDelta) -> DateTime<Utc> {
        let mut left = time;
        let days = (0..MOST_DAYS).map_while(|days| day_of(from).checked_add_days(Days::new(days)));
        for (opening, closing) in days.filter_map(|date| self.of_day(date)) {
            let begin = opening.max(from);
            if begin + left <= closing {
                return begin + left;
            }
            left -= (closing - begin).max(TimeDelta::zero());
        }
        // Ten years without a business day: the data are broken. A late reply is better than none.
        from + time
    }

    /// Whether support works now.
    pub(crate) fn are_now(&self, now: DateTime<Utc>) -> bool {
        self.of_day(day_of(now)).is_some_and(|(opening, closing)| opening <= now && now < closing)
    }
}

/// The day in London.
fn day_of(time: DateTime<Utc>) -> NaiveDate {
    time.with_timezone(&London).date_naive()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three holidays around changes of the time.
    pub(crate) fn hours() -> BusinessHours {
        let holidays =
            "date,name\n2026-04-03,Good Friday\n2026-04-06,Easter Monday\n# made up\n2026-10-26,Test\n";
        BusinessHours::read(holidays).expect("holidays")
    }

    pub(crate) fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect(text)
    }

    #[test]
    fn the_first_reply_is_due_in_business_time() {
        for (from, time, due) in [
            // A Wednesday in winter.
            ("2026-02-04T10:00:00Z", 4, "2026-02-04T14:00:00Z"),
            ("2026-02-04T16:00:00Z", 4, "2026-02-05T11:00:00Z"),
            ("2026-02-04T03:00:00Z", 9, "2026-02-04T18:00:00Z"),
            ("2026-02-04T18:00:00Z", 9, "2026-02-05T18:00:00Z"),
            // Over a weekend into summer time.
            ("2026-03-27T17:00:00Z", 4, "2026-03-30T11:00:00Z"),
            // Over Easter.
            ("2026-04-02T16:00:00Z", 6, "2026-04-07T13:00:00Z"),
            // Out of summer time, over a holiday.
            ("2026-10-23T16:00:00Z", 4, "2026-10-27T12:00:00Z"),
            ("2026-02-07T12:00:00Z", 18, "2026-02-10T18:00:00Z"),
        ] {
            let (from, due) = (at(from), at(due));
            assert_eq!(hours().after(from, TimeDelta::hours(time)), due, "{from} and {time} hours");
            assert_eq!(hours().between(from, due), TimeDelta::hours(time), "{from} to {due}");
        }
        assert_eq!(
            hours().between(at("2026-02-05T12:00:00Z"), at("2026-02-04T12:00:00Z")),
            TimeDelta::zero()
        );
    }

    #[test]
    fn support_is_there_in_business_hours_only() {
        for (time, expected) in [
            ("2026-02-04T09:00:00Z", true),
            ("2026-02-04T17:59:59Z", true),
            ("2026-02-04T18:00:00Z", false),
            ("2026-07-01T08:00:00Z", true),
            ("2026-07-01T17:00:00Z", false),
            ("2026-02-07T12:00:00Z", false),
            ("2026-04-06T12:00:00Z", false),
        ] {
            assert_eq!(hours().are_now(at(time)), expected, "{time}");
        }
    }

    #[test]
    fn a_line_that_is_no_holiday_is_named() {
        let error = BusinessHours::read("date,name\n2026-12-25,Christmas\n25.12.2026,Christmas\n")
            .expect_err("no date");
        assert_eq!(error.to_string(), "line 3 of the bank holidays does not begin with a date");
        assert_eq!(hours().last_holiday(), "2026-10-26".parse().ok());
    }

    /// The same, by looking at each minute.
    fn by_minutes(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        let hours = hours();
        let minutes = (to - from).num_minutes().max(0);
        (0..minutes)
            .filter(|minute| hours.are_now(from + TimeDelta::minutes(*minute)))
            .count()
            .try_into()
            .expect("a number")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn business_time_equals_a_count_by_minutes(
            begin in prop::sample::select(vec!["2026-03-25T00:00:00Z", "2026-10-21T00:00:00Z", "2026-04-01T00:00:00Z"]),
            from in 0_i64..8_000,
            length in 0_i64..8_000,
        ) {
            let from = at(begin) + TimeDelta::minutes(from);
            let to = from + TimeDelta::minutes(length);
            let expected = TimeDelta::minutes(by_minutes(from, to));
            prop_assert_eq!(hours().between(from, to), expected);
            // The instant after that time has the same time before it, and no earlier instant has.
            let due = hours().after(from, expected);
            prop_assert_eq!(hours().between(from, due), expected);
            prop_assert!(due <= to || expected == TimeDelta::zero());
        }
    }
}
