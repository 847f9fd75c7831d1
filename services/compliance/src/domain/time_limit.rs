//! The time limits of the law. A data request is answered within one calendar month (GDPR, article 12(3)), by the calendar of London.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::London;

/// How long an approved erasure waits, so that its owner can cancel it.
pub(crate) const GRACE: TimeDelta = TimeDelta::days(7);

/// How long after a breach was known the regulator has to be notified (GDPR, article 33(1)).
pub(crate) const BREACH_NOTICE: TimeDelta = TimeDelta::hours(72);

/// Until when a request of this instant has to be answered: the end of the day in London with the same number one month later, or
/// the end of that month if it has no such day (the ICO's guide to subject access requests counts so).
pub(crate) fn due(receipt: DateTime<Utc>) -> DateTime<Utc> {
    let day = receipt.with_timezone(&London).date_naive();
    let last = day.checked_add_months(Months::new(1)).unwrap_or(day);
    end_of(last)
}

/// Until when it has to be answered if that is extended by two months: counted from the last day of the first month, which is never
/// later than a count from the receipt.
pub(crate) fn extended(due: DateTime<Utc>) -> DateTime<Utc> {
    let last = due.with_timezone(&London).date_naive().pred_opt();
    let last = last.and_then(|day| day.checked_add_months(Months::new(2)));
    last.map_or(due, end_of)
}

/// Until when a complaint about the use of personal data has to be acknowledged: the end of the 30th day in London, the day of the receipt
/// being the first (Data Protection Act 2018, section 164A). A count from the day after gives one day more.
pub(crate) fn acknowledge_due(receipt: DateTime<Utc>) -> DateTime<Utc> {
    let first = receipt.with_timezone(&London).date_naive();
    end_of(first.checked_add_days(Days::new(29)).unwrap_or(first))
}

/// The end of a day in London. Its clocks change at 1:00, so midnight exists once.
fn end_of(day: NaiveDate) -> DateTime<Utc> {
    let after = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
    London.from_local_datetime(&after).earliest().map_or_else(|| after.and_utc(), |end| end.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_due_at_the_end_of_the_day_one_calendar_month_later() {
        for (receipt, expected) in [
            ("2027-01-10T12:00:00Z", "2027-02-11T00:00:00Z"),
            ("2027-01-31T12:00:00Z", "2027-03-01T00:00:00Z"),
            ("2028-01-31T12:00:00Z", "2028-03-01T00:00:00Z"),
            ("2028-02-29T12:00:00Z", "2028-03-29T23:00:00Z"),
            // February has no 29th day in most years, and has one in 2028.
            ("2027-01-29T12:00:00Z", "2027-03-01T00:00:00Z"),
            ("2028-01-29T12:00:00Z", "2028-03-01T00:00:00Z"),
            // The clocks go forward on 28 March 2027, and back on 31 October 2027.
            ("2027-02-28T00:30:00Z", "2027-03-28T23:00:00Z"),
            ("2027-03-10T12:00:00Z", "2027-04-10T23:00:00Z"),
            ("2027-09-30T12:00:00Z", "2027-10-30T23:00:00Z"),
            ("2027-10-01T12:00:00Z", "2027-11-02T00:00:00Z"),
            // The last second before the clocks go forward and the first one after it, and the hour that the clocks show twice.
            ("2027-03-28T00:59:59Z", "2027-04-28T23:00:00Z"),
            ("2027-03-28T01:00:00Z", "2027-04-28T23:00:00Z"),
            ("2027-10-31T00:30:00Z", "2027-12-01T00:00:00Z"),
            ("2027-10-31T01:30:00Z", "2027-12-01T00:00:00Z"),
            // Half past eleven at night in UTC is the next day in London's summer.
            ("2027-06-09T23:30:00Z", "2027-07-10T23:00:00Z"),
            ("2027-12-31T23:30:00Z", "2028-02-01T00:00:00Z"),
        ] {
            let receipt: DateTime<Utc> = receipt.parse().expect("an instant");
            assert_eq!(due(receipt), expected.parse::<DateTime<Utc>>().expect("an instant"), "{receipt}");
        }
    }

    #[test]
    fn an_extension_adds_two_months_of_the_calendar() {
        for (due, expected) in [
            ("2027-02-11T00:00:00Z", "2027-04-10T23:00:00Z"),
            // The last day was 28 February.
            ("2027-03-01T00:00:00Z", "2027-04-28T23:00:00Z"),
            // The last day was 31 December: February has no 31st day.
            ("2027-01-01T00:00:00Z", "2027-03-01T00:00:00Z"),
        ] {
            let due: DateTime<Utc> = due.parse().expect("an instant");
            assert_eq!(extended(due), expected.parse::<DateTime<Utc>>().expect("an instant"), "{due}");
        }
    }

    #[test]
    fn a_complaint_is_acknowledged_within_30_days_with_the_day_of_its_receipt() {
        for (receipt, expected) in [
            ("2027-01-01T12:00:00Z", "2027-01-31T00:00:00Z"),
            // The clocks go forward on 28 March 2027.
            ("2027-03-10T12:00:00Z", "2027-04-08T23:00:00Z"),
            // Half past eleven at night in UTC is the next day in London's summer.
            ("2027-06-09T23:30:00Z", "2027-07-09T23:00:00Z"),
        ] {
            let receipt: DateTime<Utc> = receipt.parse().expect("an instant");
            assert_eq!(
                acknowledge_due(receipt),
                expected.parse::<DateTime<Utc>>().expect("an instant"),
                "{receipt}"
            );
        }
    }
}
