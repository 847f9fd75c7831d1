//! How long a ticket has waited for staff, in business time. It is counted step by step, at each change of the state.

use chrono::{DateTime, TimeDelta, Utc};

use super::business_hours::BusinessHours;

/// Business time that was counted, and since when it is being counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopwatch {
    pub(crate) counted: TimeDelta,
    /// `None` while it is stopped.
    pub(crate) since: Option<DateTime<Utc>>,
}

impl Stopwatch {
    /// Begins to count.
    pub(crate) const fn started(now: DateTime<Utc>) -> Self {
        Self { counted: TimeDelta::zero(), since: Some(now) }
    }

    /// Starts or stops it now.
    pub(crate) fn set(&mut self, runs: bool, now: DateTime<Utc>, hours: &BusinessHours) {
        match (runs, self.since) {
            (true, None) => self.since = Some(now),
            (false, Some(_)) => *self = Self { counted: self.read(now, hours), since: None },
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// The time until now.
    pub(crate) fn read(&self, now: DateTime<Utc>, hours: &BusinessHours) -> TimeDelta {
        self.counted + self.since.map_or_else(TimeDelta::zero, |since| hours.between(since, now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::business_hours::tests::{at, hours},
        *,
    };

    /// The time in which it ran, by its whole history.
    fn recomputed(begin: DateTime<Utc>, steps: &[(DateTime<Utc>, bool)], now: DateTime<Utc>) -> TimeDelta {
        let hours = hours();
        let ends = steps.iter().map(|(time, _)| *time).skip(1).chain([now]);
        let first = steps.first().map_or(now, |(time, _)| *time);
        let later: TimeDelta = steps
            .iter()
            .zip(ends)
            .filter(|((_, runs), _)| *runs)
            .map(|((from, _), to)| hours.between(*from, to))
            .sum();
        hours.between(begin, first) + later
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_stepwise_counts_equal_those_of_the_history(
            begin in prop::sample::select(vec!["2026-03-26T10:00:00Z", "2026-10-22T10:00:00Z", "2026-04-01T10:00:00Z"]),
            steps in prop::collection::vec((0_i64..200_000, any::<bool>()), 0..12),
            rest in 0_i64..200_000,
        ) {
            let begin = at(begin);
            let mut now = begin;
            let steps: Vec<_> = steps
                .into_iter()
                .map(|(seconds, runs)| {
                    now += TimeDelta::seconds(seconds);
                    (now, runs)
                })
                .collect();
            now += TimeDelta::seconds(rest);
            let mut stopwatch = Stopwatch::started(begin);
            for (time, runs) in &steps {
                stopwatch.set(*runs, *time, &hours());
            }
            prop_assert_eq!(stopwatch.read(now, &hours()), recomputed(begin, &steps, now));
        }
    }
}
