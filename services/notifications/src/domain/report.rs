//! What a provider says became of a message after it took it: a set that only grows, so that the order in which it is told,
//! and how often, changes nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::wire_enum;

wire_enum! {
    /// What became of a message. The later in this list, the graver: the order decides what a message is shown with of which
    /// several things are known, and times do not, because they come from several clocks.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum DeliveryOutcome: wire::DeliveryOutcome {
        /// The recipient's server did not take it yet.
        Delayed = "DELAYED",
        /// The recipient's server took it.
        Delivered = "DELIVERED",
        /// The provider could not send it.
        Failed = "FAILED",
        /// The recipient's server did not take it, for a reason that may pass.
        BouncedSoft = "BOUNCED_SOFT",
        /// The provider did not even try, since the address bounced or complained before.
        Suppressed = "SUPPRESSED",
        /// The recipient's server will never take it.
        BouncedHard = "BOUNCED_HARD",
        /// The recipient called it spam.
        Complained = "COMPLAINED",
    }
}

/// One thing that a provider said of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// When, by the provider's clock.
    pub time: DateTime<Utc>,
    /// The provider's names for it; nothing personal.
    pub detail: String,
}

/// What a report changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing of this kind was known.
    New,
    /// Of this kind, something later was known.
    Earlier,
    /// Nothing.
    None,
}

/// All that is known of a message: of each kind the first report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reports(BTreeMap<DeliveryOutcome, (DateTime<Utc>, String)>);

impl Reports {
    /// Takes in a report.
    pub fn tell(&mut self, report: Report) -> Change {
        let Report { outcome, time, detail } = report;
        let told = (time, detail);
        match self.0.get_mut(&outcome) {
            None => {
                self.0.insert(outcome, told);
                Change::New
            }
            Some(known) if told < *known => {
                *known = told;
                Change::Earlier
            }
            Some(_) => Change::None,
        }
    }

    /// The gravest of all, and when.
    #[must_use]
    pub fn gravest(&self) -> Option<(DeliveryOutcome, DateTime<Utc>)> {
        self.0.last_key_value().map(|(outcome, (time, _))| (*outcome, *time))
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn into_list(self) -> Vec<Report> {
        let report = |(outcome, (time, detail))| Report { outcome, time, detail };
        let mut reports: Vec<_> = self.0.into_iter().map(report).collect();
        reports.sort_by_key(|report| (report.time, report.outcome));
        reports
    }
}

impl FromIterator<Report> for Reports {
    fn from_iter<I: IntoIterator<Item = Report>>(reports: I) -> Self {
        let mut all = Self::default();
        for report in reports {
            all.tell(report);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn report() -> impl Strategy<Value = Report> {
        let details = prop_oneof![Just(""), Just("Permanent/General"), Just("Transient/General")];
        (0..DeliveryOutcome::ALL.len(), 0..4i64, details).prop_map(|(outcome, second, detail)| Report {
            outcome: DeliveryOutcome::ALL[outcome],
            time: DateTime::from_timestamp(second, 0).expect("an instant"),
            detail: detail.to_owned(),
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_tell_the_same(
            told in vec(report(), 1..12),
            shuffled in vec(any::<Index>(), 0..40),
            reversed in any::<bool>(),
        ) {
            let expected: Reports = told.iter().cloned().collect();
            // Some of them in any order, several times, and then all of them.
            let mut again: Vec<_> = shuffled.iter().map(|index| index.get(&told).clone()).collect();
            again.extend(told.iter().cloned());
            if reversed {
                again.reverse();
            }
            let (mut reports, mut new) = (Reports::default(), 0);
            for report in again {
                new += usize::from(reports.tell(report) == Change::New);
            }
            prop_assert_eq!(&reports, &expected);
            let kinds: BTreeSet<_> = told.iter().map(|report| report.outcome).collect();
            prop_assert_eq!(new, kinds.len(), "each kind is new once");
            prop_assert_eq!(reports.gravest().map(|(outcome, _)| outcome), kinds.last().copied());
        }
    }

    #[test]
    fn a_complaint_after_delivery_counts_as_both() {
        let report = |outcome, second| Report {
            outcome,
            time: DateTime::from_timestamp(second, 0).expect("an instant"),
            detail: String::new(),
        };
        let told = [report(DeliveryOutcome::Complained, 2), report(DeliveryOutcome::Delivered, 1)];
        let reports: Reports = told.into_iter().collect();
        assert_eq!(reports.gravest().map(|(outcome, _)| outcome), Some(DeliveryOutcome::Complained));
        let outcomes: Vec<_> = reports.into_list().into_iter().map(|report| report.outcome).collect();
        assert_eq!(outcomes, [DeliveryOutcome::Delivered, DeliveryOutcome::Complained]);
    }
}
