//! The median and the 99th percentile of durations, and the median of a figure over several rounds.

use std::time::Duration;

/// Durations, sorted.
pub(crate) struct Percentiles(Vec<Duration>);

impl Percentiles {
    /// Sorts these durations.
    pub(crate) fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// Combines these durations with others.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        Self::of(self.0)
    }

    /// The number of durations.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The median, in milliseconds.
    pub(crate) fn p50_ms(&self) -> f64 {
        self.at(50)
    }

    /// The 99th percentile, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.at(99)
    }

    fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1000.0)
    }
}

/// The values that a figure has in the rounds, sorted.
pub(crate) fn sorted<Round>(rounds: &[Round], figure: fn(&Round) -> f64) -> Vec<f64> {
    let mut figures: Vec<_> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The median of a figure over all rounds.
pub(crate) fn median<Round>(rounds: &[Round], figure: fn(&Round) -> f64) -> f64 {
    sorted(rounds, figure).get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
}
