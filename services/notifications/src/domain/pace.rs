//! How fast a provider gets mail. All replicas share one pace, which PostgreSQL keeps: a row that hands out slots.
//!
//! A mail takes the next slot only if the slot is at most a second or two away. Otherwise it takes none, and its delivery is
//! deferred to a time of its own, so that mails do not all come back together. Mail to customers and operators may take a slot
//! that is further away than marketing may. So a receipt waits only for a few mails, however much marketing waits, and marketing
//! gets every slot that no other mail needs.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use super::class::Class;

/// How many mails a second a provider gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(Option<TimeDelta>);

/// The text is not a rate.
#[derive(Debug, thiserror::Error)]
#[error("not a rate")]
pub struct NotARate;

impl Rate {
    /// The expected form, for error reports about settings.
    pub const EXPECTED: &str = "a number of mails a second, from 0.01 to 1000, or 0 for no limit";

    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// The time between two slots. None: there is no limit.
    #[must_use]
    pub const fn interval(self) -> Option<TimeDelta> {
        self.0
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let rate: f64 = text.parse().map_err(|_| NotARate)?;
        if rate == 0.0 {
            return Ok(Self(None));
        }
        if !(0.01..=1000.0).contains(&rate) {
            return Err(NotARate);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 100 seconds in microseconds")]
        Ok(Self(Some(TimeDelta::microseconds((1_000_000.0 / rate).round() as i64))))
    }
}

/// The pace of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The next free slot.
    pub next_slot: DateTime<Utc>,
    /// When the next marketing mail may come back that gets no slot now.
    pub next_marketing_try: DateTime<Utc>,
    /// The same for other mail.
    pub next_other_try: DateTime<Utc>,
}

/// The turn of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The mail has this slot, which is now or within a moment.
    Slot(DateTime<Utc>),
    /// The mail has no slot. It is tried again at this time.
    ComeBack(DateTime<Utc>),
}

/// How far away the slot of a mail may be.
fn reach(class: Class, interval: TimeDelta) -> TimeDelta {
    let (marketing, other, most) =
        (TimeDelta::milliseconds(400), TimeDelta::seconds(1), TimeDelta::seconds(2));
    match class {
        Class::Marketing => marketing,
        // At a slow pace at least the next slot, so that marketing cannot take it first.
        Class::Transactional | Class::Operator => other.max(interval).min(most),
    }
}

impl Pace {
    /// The pace of a provider that had no mail yet.
    pub const UNUSED: Self = Self {
        next_slot: DateTime::UNIX_EPOCH,
        next_marketing_try: DateTime::UNIX_EPOCH,
        next_other_try: DateTime::UNIX_EPOCH,
    };

    /// The turn of a mail of this class.
    pub fn turn(&mut self, class: Class, interval: TimeDelta, now: DateTime<Utc>) -> Turn {
        let slot = self.next_slot.max(now);
        if slot - now <= reach(class, interval) {
            self.next_slot = slot + interval;
            return Turn::Slot(slot);
        }
        let next_try = match class {
            Class::Marketing => &mut self.next_marketing_try,
            Class::Transactional | Class::Operator => &mut self.next_other_try,
        };
        let time = slot.max(*next_try);
        *next_try = time + interval;
        Turn::ComeBack(time)
    }
}

#[cfg(test)]
mod tests;
