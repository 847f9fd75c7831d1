//! When a schedule runs: at multiples of a period in UTC, or at a wall-clock time in London.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::{Europe::London, Tz};

/// Every day of the week.
pub const EVERY_DAY: &[Weekday] =
    &[Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
/// Monday to Friday.
pub const WEEKDAYS: &[Weekday] = &[Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

/// A slot is at most a week and two hours away, if there are any days.
const SEARCHED_DAYS: u64 = 9;
/// The longest gap that a clock change makes.
const LONGEST_GAP: TimeDelta = TimeDelta::hours(2);

/// When slots begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slots {
    /// At the multiples of this period since 1970-01-01T00:00Z.
    Every(TimeDelta),
    /// At this London wall-clock time, on these days of the week.
    London(NaiveTime, &'static [Weekday]),
}

impl Slots {
    /// The last slot that has begun.
    pub(super) fn begun(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Every(period) => {
                let period = period.num_seconds().max(1);
                let begun = now.timestamp().div_euclid(period) * period;
                DateTime::from_timestamp(begun, 0).unwrap_or(now)
            }
            Self::London(time, days) => {
                let today = now.with_timezone(&London).date_naive();
                let dates = (0..SEARCHED_DAYS).filter_map(|n| today.checked_sub_days(Days::new(n)));
                slots_on(dates, time, days).find(|slot| *slot <= now).unwrap_or(DateTime::UNIX_EPOCH)
            }
        }
    }

    /// The first slot that has not begun.
    pub(super) fn next(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Every(period) => self.begun(now) + period,
            Self::London(time, days) => {
                let today = now.with_timezone(&London).date_naive();
                let dates = (0..SEARCHED_DAYS).filter_map(|n| today.checked_add_days(Days::new(n)));
                slots_on(dates, time, days).find(|slot| *slot > now).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        }
    }
}

fn slots_on(
    dates: impl Iterator<Item = NaiveDate>,
    time: NaiveTime,
    days: &'static [Weekday],
) -> impl Iterator<Item = DateTime<Utc>> {
    dates.filter(|date| days.contains(&date.weekday())).map(move |date| instant(date, time))
}

/// The instant at which the clock in London shows this time. For a time that occurs twice it is the first. A time that does not
/// exist moves forward by the gap, as if the clock had not changed yet.
fn instant(date: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let local = date.and_time(time);
    let shown = |local| match Tz::from_local_datetime(&London, &local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
        LocalResult::None => None,
    };
    shown(local)
        .or_else(|| shown(local - LONGEST_GAP).map(|before| before + LONGEST_GAP))
        .unwrap_or_else(|| local.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect(text)
    }

    fn london(hour: u32, minute: u32, days: &'static [Weekday]) -> Slots {
        Slots::London(NaiveTime::from_hms_opt(hour, minute, 0).expect("a time"), days)
    }

    #[test]
    fn a_wall_clock_slot_follows_summer_time() {
        let nine = london(9, 0, EVERY_DAY);
        assert_eq!(nine.begun(at("2026-01-15T12:00:00Z")), at("2026-01-15T09:00:00Z"));
        assert_eq!(nine.begun(at("2026-07-15T12:00:00Z")), at("2026-07-15T08:00:00Z"));
        assert_eq!(nine.begun(at("2026-07-15T07:59:59Z")), at("2026-07-14T08:00:00Z"));
        assert_eq!(nine.next(at("2026-07-15T08:00:00Z")), at("2026-07-16T08:00:00Z"));
    }

    #[test]
    fn a_wall_clock_slot_keeps_to_its_days() {
        let weekdays = london(9, 0, WEEKDAYS);
        // The 28th is a Saturday.
        assert_eq!(weekdays.begun(at("2026-11-29T23:00:00Z")), at("2026-11-27T09:00:00Z"));
        assert_eq!(weekdays.next(at("2026-11-27T09:00:00Z")), at("2026-11-30T09:00:00Z"));
        let sundays = london(9, 0, &[Weekday::Sun]);
        assert_eq!(sundays.begun(at("2026-11-29T08:59:59Z")), at("2026-11-22T09:00:00Z"));
        assert_eq!(sundays.next(at("2026-11-29T09:00:00Z")), at("2026-12-06T09:00:00Z"));
    }

    #[test]
    fn the_hour_that_does_not_exist_and_the_hour_that_comes_twice_are_run_once() {
        let half_past_one = london(1, 30, EVERY_DAY);
        // 2026-03-29: 01:00 GMT becomes 02:00 BST. 2026-10-25: 02:00 BST becomes 01:00 GMT.
        for (day, slot) in [("2026-03-29", "2026-03-29T01:30:00Z"), ("2026-10-25", "2026-10-25T00:30:00Z")] {
            let midnight = at(&format!("{day}T00:00:00Z"));
            let mut seen: Vec<_> = (0..24 * 60)
                .map(|minute| half_past_one.begun(midnight + TimeDelta::minutes(minute)))
                .filter(|begun| *begun >= midnight)
                .collect();
            seen.dedup();
            assert_eq!(seen, [at(slot)], "{day}");
        }
    }

    #[test]
    fn the_next_slot_has_begun_when_its_time_comes() {
        for slots in
            [london(1, 30, EVERY_DAY), london(14, 0, &[Weekday::Fri]), Slots::Every(TimeDelta::hours(7))]
        {
            let mut now = at("2026-01-01T00:00:00Z");
            while now < at("2027-01-01T00:00:00Z") {
                let next = slots.next(now);
                assert!(next > now && slots.begun(next) == next, "{slots:?} at {now}");
                assert!(
                    slots.begun(next - TimeDelta::seconds(1)) <= now,
                    "{slots:?}: a slot between {now} and {next}"
                );
                now = next;
            }
        }
    }
}
