//! Locales: the language of a mail's wording, and how it shows numbers, money and dates.
//!
//! We use a small table instead of ICU, because ICU's data and code would add minutes to each build, and mails need few locales.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Europe::London;

/// A language and region that mails are written for.
#[derive(Debug, PartialEq, Eq)]
pub struct Locale {
    /// The BCP 47 tag: `en-GB`.
    pub tag: &'static str,
    /// The language of the wording, and the folder of its templates.
    pub language: &'static str,
    /// The mark between groups of three digits.
    pub group_mark: char,
    /// The mark before the decimals of a number.
    pub decimal_mark: char,
    /// The currencies that are shown by a symbol, because readers cannot mistake it for another currency.
    pub symbols: &'static [(&'static str, &'static str)],
    /// Whether a currency's symbol or code precedes the number.
    pub symbol_first: bool,
    /// How a date is written.
    pub date: DateOrder,
    /// Whether times use the 24-hour clock.
    pub hours_24: bool,
    /// The months.
    pub months: &'static [&'static str; 12],
    /// The units of durations, each for one and for many: minute, hour, day.
    pub units: &'static [(&'static str, &'static str); 3],
}

/// How a date is written.
#[derive(Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// `5 December 2026`
    DayFirst,
    /// `December 5, 2026`
    MonthFirst,
}

const ENGLISH_MONTHS: &[&str; 12] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ENGLISH_UNITS: &[(&str, &str); 3] = &[("minute", "minutes"), ("hour", "hours"), ("day", "days")];

/// British English, the default.
pub const EN_GB: Locale = Locale {
    tag: "en-GB",
    language: "en",
    group_mark: ',',
    decimal_mark: '.',
    symbols: &[("GBP", "£"), ("EUR", "€"), ("USD", "$"), ("JPY", "¥")],
    symbol_first: true,
    date: DateOrder::DayFirst,
    hours_24: true,
    months: ENGLISH_MONTHS,
    units: ENGLISH_UNITS,
};

/// Every locale. The first one of a language serves its other regions too.
pub const ALL: &[Locale] = &[
    EN_GB,
    Locale { tag: "en-US", date: DateOrder::MonthFirst, hours_24: false, ..EN_GB },
    // In Australia, `$` alone means the Australian dollar, so US dollars are `US$`.
    Locale { tag: "en-AU", symbols: &[("GBP", "£"), ("EUR", "€"), ("USD", "US$")], ..EN_GB },
    Locale { tag: "en-NZ", symbols: &[("GBP", "£"), ("EUR", "€"), ("USD", "US$")], ..EN_GB },
    Locale {
        tag: "en-CA",
        symbols: &[("GBP", "£"), ("EUR", "€"), ("USD", "US$")],
        date: DateOrder::MonthFirst,
        hours_24: false,
        ..EN_GB
    },
];

impl Locale {
    /// The locale for a tag of a token, of a browser or of Stripe. A tag that is empty, unknown or malformed gives British
    /// English: a mail about a person's money must be sent whatever the tag is.
    #[must_use]
    pub fn of(tag: &str) -> &'static Self {
        let tag = tag.replace('_', "-");
        let language = tag.split('-').next().unwrap_or_default();
        let exact = ALL.iter().find(|locale| locale.tag.eq_ignore_ascii_case(&tag));
        let same_language = || ALL.iter().find(|locale| locale.language.eq_ignore_ascii_case(language));
        exact.or_else(same_language).unwrap_or(&EN_GB)
    }

    /// The date in London, where the business is: `5 December 2026`.
    #[must_use]
    pub fn date(&self, instant: DateTime<Utc>) -> String {
        let day = instant.with_timezone(&London);
        let month = self.months.get(day.month0() as usize).copied().unwrap_or_default();
        match self.date {
            DateOrder::DayFirst => format!("{} {month} {}", day.day(), day.year()),
            DateOrder::MonthFirst => format!("{month} {}, {}", day.day(), day.year()),
        }
    }

    /// The date and time in London: `5 December 2026, 09:30 GMT`.
    #[must_use]
    pub fn date_time(&self, instant: DateTime<Utc>) -> String {
        let time = instant.with_timezone(&London);
        let (minute, zone) = (time.minute(), time.format("%Z"));
        let date = self.date(instant);
        if self.hours_24 {
            return format!("{date}, {:02}:{minute:02} {zone}", time.hour());
        }
        let (is_afternoon, hour) = time.hour12();
        format!("{date}, {hour}:{minute:02} {} {zone}", if is_afternoon { "PM" } else { "AM" })
    }

    /// A duration of at least one minute, in the largest unit that is exact. Days are used only from three days on, because
    /// `48 hours` is a stricter promise than `2 days`.
    #[must_use]
    pub fn duration(&self, minutes: u64) -> String {
        const HOUR: u64 = 60;
        const DAY: u64 = 24 * HOUR;
        let [minute, hour, day] = self.units;
        let (count, (one, many)) = match minutes {
            _ if minutes.is_multiple_of(DAY) && minutes >= 3 * DAY => (minutes / DAY, day),
            _ if minutes.is_multiple_of(HOUR) => (minutes / HOUR, hour),
            _ => (minutes, minute),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }

    /// An amount of money of a currency (ISO 4217) with that many decimals: `£1,234.50`, `¥1,500`, `CHF 99.00`.
    #[must_use]
    pub fn money(&self, currency: &str, minor_units: u64, decimals: u32) -> String {
        let scale = 10_u64.pow(decimals);
        let mut number = self.grouped(minor_units / scale);
        if decimals > 0 {
            let width = decimals as usize;
            // Writing to a `String` cannot fail.
            let _ = write!(number, "{}{:0width$}", self.decimal_mark, minor_units % scale);
        }
        let symbol = self.symbols.iter().find(|(code, _)| *code == currency).map(|(_, symbol)| *symbol);
        match (symbol, self.symbol_first) {
            (Some(symbol), true) => format!("{symbol}{number}"),
            (None, true) => format!("{currency} {number}"),
            (_, false) => format!("{number} {}", symbol.unwrap_or(currency)),
        }
    }

    /// Writes the number with a mark between groups of three digits.
    fn grouped(&self, number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(self.group_mark);
            }
            text.push(digit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A locale that no mail uses. It proves that the table works for other languages.
    const DE_DE: Locale = Locale {
        tag: "de-DE",
        language: "de",
        group_mark: '.',
        decimal_mark: ',',
        symbol_first: false,
        units: &[("Minute", "Minuten"), ("Stunde", "Stunden"), ("Tag", "Tage")],
        ..EN_GB
    };

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn any_tag_gives_a_locale() {
        for (tag, expected) in [
            ("", "en-GB"),
            ("en", "en-GB"),
            ("en-US", "en-US"),
            ("EN_us", "en-US"),
            ("en-IE", "en-GB"),
            ("en-GB-oxendict", "en-GB"),
            ("de-DE", "en-GB"),
            ("auto", "en-GB"),
            ("\r\nBcc: x", "en-GB"),
        ] {
            assert_eq!(Locale::of(tag).tag, expected, "{tag:?}");
        }
    }

    #[test]
    fn a_date_is_the_one_in_london_as_the_region_writes_it() {
        // 23:30 UTC is the next day in London in summer, and the same day in winter.
        let (summer, winter) = (instant("2026-06-30T23:30:00Z"), instant("2026-12-05T23:30:00Z"));
        for (tag, date, time) in [
            ("en-GB", "1 July 2026", "1 July 2026, 00:30 BST"),
            ("en-US", "July 1, 2026", "July 1, 2026, 12:30 AM BST"),
        ] {
            assert_eq!(Locale::of(tag).date(summer), date);
            assert_eq!(Locale::of(tag).date_time(summer), time);
        }
        assert_eq!(EN_GB.date_time(winter), "5 December 2026, 23:30 GMT");
        assert_eq!(Locale::of("en-CA").date_time(winter), "December 5, 2026, 11:30 PM GMT");
    }

    #[test]
    fn an_amount_is_as_the_region_writes_it() {
        assert_eq!(EN_GB.money("GBP", 123_450, 2), "£1,234.50");
        assert_eq!(EN_GB.money("CHF", 100_050, 2), "CHF 1,000.50");
        assert_eq!(Locale::of("en-US").money("USD", 99, 2), "$0.99");
        assert_eq!(Locale::of("en-AU").money("USD", 99, 2), "US$0.99");
        assert_eq!(Locale::of("en-AU").money("JPY", 1_500, 0), "JPY 1,500");
        assert_eq!(DE_DE.money("EUR", 123_456_789, 2), "1.234.567,89 €");
        assert_eq!(DE_DE.money("CHF", 99, 2), "0,99 CHF");
    }

    #[test]
    fn a_duration_is_in_words() {
        for (minutes, words) in [
            (10, "10 minutes"),
            (1, "1 minute"),
            (60, "1 hour"),
            (90, "90 minutes"),
            (48 * 60, "48 hours"),
            (3 * 24 * 60, "3 days"),
        ] {
            assert_eq!(EN_GB.duration(minutes), words);
        }
        assert_eq!(DE_DE.duration(48 * 60), "48 Stunden");
    }
}
